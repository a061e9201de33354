"""The contract as a document: OpenAPI 3.1, made from the route table and the shapes."""

from agent_http.openapi.document import openapi_document, written

__all__ = ["openapi_document", "written"]
