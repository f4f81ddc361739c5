"""What any writing or reading of files needs: limits, places, digests, whole files, words."""
