"""TensorFlow graphs without TensorFlow: GraphDefs are read, checked, looked at and written.

`proto` has the messages and `tensor` the values of constants. `check` and `check_functions` refuse what no TensorFlow
writes, by the table of operations in `ops`. `view` answers questions about a graph: its `node`s, the `edges` between
them, constants (those that `constant_ops` compute from others too) and variables; `functions` writes calls of functions
out. `build` writes a graph. `pure` cuts out what may be run of one that came from elsewhere
(`pure_ops`, `control_flow`).
"""
