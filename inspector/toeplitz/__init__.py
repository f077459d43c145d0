"""Any convolution as the sparse matrix it is."""
