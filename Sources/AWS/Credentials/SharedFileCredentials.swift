/// Reads a profile from the shared files `~/.aws/credentials` and `~/.aws/config`: static keys, or a role with a web
/// identity.
///
/// Profiles with `source_profile`, `sso_...` or `credential_process` are refused by name rather than skipped, because
/// somebody expects them to work.
struct SharedFileCredentials: CredentialsProvider {
    private let context: CredentialsChain.Context
    private let profile: String?
    private let region: String

    init(_ context: CredentialsChain.Context, profile: String?, region: String) {
        self.context = context
        self.profile = profile
        self.region = region
    }

    func credentials() async throws -> AWSCredentials? {
        let environment = context.environment
        let named = profile ?? environment["AWS_PROFILE"].flatMap { $0.isEmpty ? nil : $0 }
        let name = named ?? "default"
        let home = environment["HOME"] ?? ""
        let credentialsFile = environment["AWS_SHARED_CREDENTIALS_FILE"] ?? "\(home)/.aws/credentials"
        let configFile = environment["AWS_CONFIG_FILE"] ?? "\(home)/.aws/config"
        var values =
            context.file(configFile).map {
                Self.section(name == "default" ? "default" : "profile \(name)", of: $0)
            } ?? [:]
        values.merge(context.file(credentialsFile).map { Self.section(name, of: $0) } ?? [:]) { $1 }
        if let id = values["aws_access_key_id"], let secret = values["aws_secret_access_key"] {
            return AWSCredentials(accessKeyID: id, secretAccessKey: secret, sessionToken: values["aws_session_token"])
        }
        if let role = values["role_arn"], let file = values["web_identity_token_file"] {
            return try await WebIdentityCredentials.assume(
                role: role, session: values["role_session_name"], tokenFile: file, context, region: region)
        }
        for key in ["source_profile", "credential_source", "credential_process", "sso_session", "sso_start_url"]
        where values[key] != nil {
            throw CredentialsError(
                "the AWS profile '\(name)' uses \(key), which is not supported; give it keys or a web identity")
        }
        if named != nil {
            throw CredentialsError("there is no AWS profile '\(name)' with keys in \(credentialsFile) or \(configFile)")
        }
        return nil
    }

    /// Returns the values of a section of an INI file, without nested (indented) values.
    static func section(_ name: String, of text: String) -> [String: String] {
        var result: [String: String] = [:]
        var isInside = false
        for line in text.split(whereSeparator: \.isNewline) where line.first?.isWhitespace == false {
            if line.hasPrefix("#") || line.hasPrefix(";") { continue }
            if line.hasPrefix("["), let end = line.firstIndex(of: "]") {
                let title = line[line.index(after: line.startIndex)..<end].split(whereSeparator: \.isWhitespace)
                isInside = title.joined(separator: " ") == name
            } else if isInside, let equals = line.firstIndex(of: "=") {
                let key = line[..<equals].split(whereSeparator: \.isWhitespace).joined()
                let value = line[line.index(after: equals)...].trimmed
                result[key.lowercased()] = value
            }
        }
        return result
    }
}

extension Substring {
    /// The text without white space at both ends.
    var trimmed: String {
        var rest = drop { $0.isWhitespace }
        while rest.last?.isWhitespace == true { rest.removeLast() }
        return String(rest)
    }
}
