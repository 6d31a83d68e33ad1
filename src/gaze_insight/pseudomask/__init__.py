"""From looking to labels: dense CRF, label levels and named recipes; arrays in, arrays out."""
