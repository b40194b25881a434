"""The softmax network: next-item prediction over all items."""
