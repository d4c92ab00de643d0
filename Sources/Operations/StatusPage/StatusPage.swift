import HTTP

/// The page that draws what the gateway does: three files that are part of the program, without anything from outside.
enum StatusPage {
    /// The answer at a path; nil where the page has nothing there.
    static func answer(_ path: String) -> ServerResponse? {
        switch path {
        case "/": response("text/html; charset=utf-8", PackageResources.status_html)
        case "/status.css": response("text/css; charset=utf-8", PackageResources.status_css)
        case "/status.js": response("text/javascript; charset=utf-8", PackageResources.status_js)
        default: nil
        }
    }

    /// Nothing is loaded from elsewhere, nothing is run that stands in the page, and no other page may frame it.
    private static let headers: HeaderFields = [
        "Content-Security-Policy":
            "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
        "X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer", "Cache-Control": "no-cache",
    ]

    private static func response(_ type: String, _ body: [UInt8]) -> ServerResponse {
        ServerResponse(status: 200, headers: headers, contentType: type, body: body)
    }
}
