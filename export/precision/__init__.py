"""Parts of an int8 file raised to 16 bits or to real numbers, where eight bits hold too little."""
