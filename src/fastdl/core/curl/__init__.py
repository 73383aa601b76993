"""Reading a curl command line as a browser copies it: the shells' words, curl's options, the requests they describe."""
