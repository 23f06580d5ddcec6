"""The way of a picture: whose turn it is, the engines that are asked, and what an answer is worth."""
