import Arguments
import HTTP
import PipelineFile
import PipelineKit
import Webhooks
import Wire

/// The authorization for fetching a list.
struct ListAuthorization: ArgumentGroup {
    @Arguments.Option(
        name: .customLong("list-auth"),
        help: ArgumentHelp(
            "The authorization for a list that is a URL: user:password or \"Bearer TOKEN\", better as '${VAR}' or '${file:PATH}', which others do not see.",
            valueName: "auth"))
    var text: String?

    /// Returns the value of the header.
    ///
    /// - Throws: if the text names a variable or file that does not exist, or has neither of the forms.
    func header() throws -> String? {
        guard let text else { return nil }
        let secret: String
        do {
            secret = try Substitution.system.apply(to: text)
        } catch {
            throw CommandFailure("--list-auth: \(error.message)")
        }
        if secret.lowercased().hasPrefix("bearer ") || secret.lowercased().hasPrefix("basic ") { return secret }
        guard secret.contains(":") else {
            throw CommandFailure("--list-auth: expected user:password or \"Bearer TOKEN\"")
        }
        return "Basic " + Base64.encode(secret.utf8)
    }
}
