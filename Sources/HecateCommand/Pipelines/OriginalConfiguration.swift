import Locking
import PipelineFile
import PipelineKit
import Wire

/// A configuration of the original gateway, converted to this one's options.
///
/// Source of the keys: PROTOCOLS.md section 4 and the original's example file.
struct OriginalConfiguration {
    /// The pipeline file.
    private(set) var pipeline = ""
    /// Remarks for the user, with lines.
    private(set) var notes: [String] = []
    private var lines: [String] = []
    private let root: ConfigNode

    /// Returns whether a tree looks like a configuration of the original.
    static func isOriginalConfiguration(_ root: ConfigNode) -> Bool {
        ["servers", "fqdn", "aws", "migration", "argus"].contains { root[$0] != nil }
    }

    init(_ root: ConfigNode) {
        self.root = root
        write()
        noteUnknownKeys()
        pipeline = lines.joined(separator: "\n") + "\n"
    }

    private func node(_ path: String) -> ConfigNode? {
        path.split(separator: ".").reduce(Optional(root)) { $0?[String($1)] }
    }

    /// Returns a value as text; nil if missing or empty.
    private func text(_ path: String) -> String? {
        switch node(path)?.content {
        case .string(let text): text.isEmpty ? nil : text
        case .int(let value): "\(value)"
        case .bool(let value): "\(value)"
        default: nil
        }
    }

    private mutating func note(_ path: String, _ text: String) {
        let line = node(path)?.location.line ?? 1
        notes.append("\(line): \(path): \(text)")
    }

    /// Quotes a text for YAML, and `$` for substitution.
    private func quoted(_ text: String) -> String {
        JSONWriter.quoted(text.replacing(["$": "$$"]))
    }

    private mutating func write() {
        lines += ["# Made by 'hecate import' from the original gateway's configuration.", "pipeline: sns-to-argus"]
        var operations: [String] = []
        for (name, path) in [("metrics", "servers.metrics.address"), ("health", "servers.health.address")] {
            if let address = text(path) { operations.append("\(name): \(quoted(address))") }
        }
        if !operations.isEmpty { lines.append("operations: {\(operations.joined(separator: ", "))}") }
        writeSource()
        writeStages()
        writeSink()
    }

    private mutating func writeSource() {
        let topic = text("aws.sns.topicArn")
        let listen = text("servers.primary.address") ?? ":6700"
        let isPlain = text("disableSnsTls") == "true"
        let host = text("fqdn") ?? "localhost"
        let port = listen.split(separator: ":").last.map(String.init) ?? "6700"
        let address = host.contains("://") ? host : "\(isPlain ? "http" : "https")://\(host)"
        let hasPort = address.split(separator: "/").last.map { $0.contains(":") } ?? false
        lines += ["", "source:", "  sns:"]
        if let topic {
            lines.append("    topicArn: \(quoted(topic))")
        } else {
            lines.append("    topicArn: ${SNS_TOPIC_ARN:?the topic that Tr1d1um publishes to}")
            note("aws.sns.topicArn", "is missing: the pipeline file asks for SNS_TOPIC_ARN")
        }
        if let region = text("aws.sns.region") { lines.append("    region: \(quoted(region))") }
        if let endpoint = text("aws.sns.awsEndpoint") {
            lines.append("    endpoint: \(quoted(endpoint))")
            lines.append(
                "    # Signing certificates of a local SNS are with itself; Amazon's own hosts are always trusted.")
            lines.append("    trustedCertificateURLs: [\(quoted(endpoint + "/"))]")
        }
        if text("aws.accessKey") != nil || text("aws.secretKey") != nil {
            lines.append(
                "    credentials: {accessKeyID: \"${AWS_ACCESS_KEY_ID}\", secretAccessKey: \"${AWS_SECRET_ACCESS_KEY}\"}"
            )
            note("aws.accessKey", "is not copied: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY")
        }
        lines.append("    listen: \(quoted(listen))")
        lines.append("    publicURL: \(quoted(hasPort ? address : "\(address):\(port)"))")
        if let path = text("aws.sns.urlPath") { lines.append("    path: \(quoted(path))") }
        if let environment = text("aws.env") { lines.append("    environment: \(quoted(environment))") }
        if let wait = text("waitForDns") { lines.append("    waitForDNS: \(quoted(wait))") }
        if let certificate = text("servers.primary.certificateFile"), let key = text("servers.primary.keyFile") {
            lines.append("    tls: {certificate: \(quoted(certificate)), key: \(quoted(key))}")
        } else if !isPlain {
            note(
                "disableSnsTls",
                "is false, so SNS is told to come over https: either set 'tls' of the source, or let something in front of it end TLS"
            )
        }
        lines.append(
            "    # The original made a path of its own for every start; a stable one loses nothing at a restart.")
        lines.append("    uniquePath: false")
    }

    private mutating func writeStages() {
        lines += ["", "stages:", "  - transform:", "      argus-item:"]
        if let owner = text("migration.owner") {
            lines.append("        owner: \(quoted(owner))")
            if !(10...60).contains(owner.count) {
                lines.append("        ownerPattern: \"^.{4,60}$$\"")
                note(
                    "migration.owner",
                    "is not what Argus takes by default (10 to 60 characters): 'ownerPattern' has to be what your Argus is set to"
                )
            }
        } else {
            note("migration.owner", "is empty: items belong to nobody, as they did; users cannot list what is theirs")
        }
        lines += [
            "        partnerIDs: [comcast]                  # as the original wrote it",
            "        keepDuration: false                    # it made every duration 300 s",
            "        ttl: {from: until, expired: drop}      # it wrote what had ended with a ttl of 0",
        ]
    }

    private mutating func writeSink() {
        lines += ["", "sink:", "  argus:"]
        if let address = text("argus.address") {
            lines.append("    address: \(quoted(address))")
        } else {
            lines.append("    address: ${ARGUS_URL:?the URL of Argus}")
            note("argus.address", "is missing: the pipeline file asks for ARGUS_URL")
        }
        lines.append("    bucket: \(quoted(text("argus.bucket") ?? "webhooks"))")
        if node("argus.auth.basic") != nil, text("argus.auth.basic") != nil {
            lines.append("    auth: {basic: \"${ARGUS_AUTH}\"}")
            note("argus.auth.basic", "is not copied: set ARGUS_AUTH to it")
        } else if node("argus.auth.jwt") != nil {
            lines += [
                "    auth:", "      token:",
                "        url: \(quoted(text("argus.auth.jwt.authURL") ?? "https://token.example.net"))",
                "        clientID: ${ARGUS_CLIENT_ID}", "        clientSecret: ${ARGUS_CLIENT_SECRET}",
            ]
            note(
                "argus.auth.jwt", "is asked for by client credentials here: set ARGUS_CLIENT_ID and ARGUS_CLIENT_SECRET"
            )
        }
    }

    /// Keys that were converted, including all below them.
    private static let importedKeys: Set<String> = [
        "servers.primary.address", "servers.metrics.address", "servers.health.address",
        "servers.primary.certificateFile", "servers.primary.keyFile", "fqdn", "disableSnsTls", "waitForDns",
        "aws.accessKey", "aws.secretKey", "aws.env", "aws.sns.topicArn", "aws.sns.region", "aws.sns.awsEndpoint",
        "aws.sns.urlPath", "migration.owner", "argus.address", "argus.bucket", "argus.auth.basic", "argus.auth.jwt",
    ]

    private static let reasons: [(prefix: String, reason: String)] = [
        ("servers.pprof", "there is no profiling server; use perf on the process"),
        ("servers.primary.header", "no header is added to answers: nobody reads them"),
        ("servers.primary.disableHTTPKeepAlives", "connections are kept while they are used, within bounds"),
        ("servers.metrics.disableHTTPKeepAlives", "connections are kept while they are used, within bounds"),
        ("servers.health.disableHTTPKeepAlives", "connections are kept while they are used, within bounds"),
        ("prometheus", "the names of metrics are fixed: xmidt_hecate_..."),
        ("health", "/health and /ready say what there is to say; they are not logged"),
        ("log.level", "is an argument here: hecate run --log-level"),
        ("log.json", "is an argument here: hecate run --log-format json"),
        ("log", "logs go to standard error; whoever runs the process keeps them"),
        ("build", "hecate version says it"), ("region", "is the name of a place that nothing here depends on"),
        ("flavor", "is a name that nothing here depends on"), ("stage", "is a name that nothing here depends on"),
        ("start", "no list is read at the start: every registration is taken as it is published"),
        ("soa", "whether the name resolves is asked of the system's resolver"),
    ]

    private mutating func noteUnknownKeys() { noteUnknownKeys(root, []) }

    private mutating func noteUnknownKeys(_ node: ConfigNode, _ path: [String]) {
        let name = path.joined(separator: ".")
        if Self.importedKeys.contains(name) { return }
        if let known = Self.reasons.first(where: { name == $0.prefix || name.hasPrefix($0.prefix + ".") }) {
            notes.append("\(node.location.line): \(name): no counterpart: \(known.reason)")
            return
        }
        if case .map(let entries) = node.content {
            for entry in entries { noteUnknownKeys(entry.value, path + [entry.key]) }
            return
        }
        if !path.isEmpty { notes.append("\(node.location.line): \(name): no counterpart: this key is not known") }
    }
}
