import HTTP

/// The status page: three files built into the program, without external resources.
enum StatusPage {
    /// Returns the file at a path; nil if there is none.
    static func answer(_ path: String) -> ServerResponse? {
        switch path {
        case "/": response("text/html; charset=utf-8", PackageResources.status_html)
        case "/status.css": response("text/css; charset=utf-8", PackageResources.status_css)
        case "/status.js": response("text/javascript; charset=utf-8", PackageResources.status_js)
        default: nil
        }
    }

    /// Loads nothing from elsewhere, runs no inline scripts, and cannot be framed.
    private static let headers: HeaderFields = [
        "Content-Security-Policy":
            "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
        "X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer", "Cache-Control": "no-cache",
    ]

    private static func response(_ type: String, _ body: [UInt8]) -> ServerResponse {
        ServerResponse(status: 200, headers: headers, contentType: type, body: body)
    }
}
