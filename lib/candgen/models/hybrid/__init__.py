"""Hybrid factorization: vectors of users and items are sums over what is known of them."""
