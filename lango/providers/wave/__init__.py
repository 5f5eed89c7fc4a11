"""Wave: mobile money in XOF."""
