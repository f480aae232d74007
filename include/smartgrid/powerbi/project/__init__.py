"""A Power BI project (PBIP) over the reporting views: semantic model in TMDL, report in PBIR."""

from smartgrid.powerbi.project.files import project_files, write_project

__all__ = ["project_files", "write_project"]
