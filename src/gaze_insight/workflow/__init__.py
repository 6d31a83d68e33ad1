"""The verbs, one file each: what the command line, a notebook and every later front end call."""
