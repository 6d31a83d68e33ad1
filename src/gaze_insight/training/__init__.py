"""The one training loop; it knows a method only through its protocol."""
