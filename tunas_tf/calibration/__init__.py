"""A cost model of a device, from measurements of the pieces that networks consist of."""
