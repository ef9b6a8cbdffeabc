# larder: the parts of bench/compare
