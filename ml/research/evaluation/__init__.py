"""What a network answers on labelled images: figures, intervals, checks and plots."""
