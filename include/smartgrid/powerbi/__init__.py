"""Power BI: refreshes, embed tokens and exports through its REST API."""
