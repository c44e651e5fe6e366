"""The query network: one query a future, which looks at the agent, its neighbours and the map by attention."""
