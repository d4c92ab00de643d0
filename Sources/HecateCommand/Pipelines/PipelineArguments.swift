import Arguments
import PipelineFile
import PipelineKit

/// Pipeline files, and settings on the command line.
struct PipelineArguments: ArgumentGroup {
    @Argument(help: ArgumentHelp("Pipeline files.", valueName: "file"), completion: .file(extensions: ["yaml", "yml"]))
    var files: [String]

    @OptionGroup var overrides: SettingArguments

    var settings: [String] { overrides.settings }
}

/// Settings that override values of the files.
struct SettingArguments: ArgumentGroup {
    @Arguments.Option(
        name: .customLong("set"),
        help: ArgumentHelp(
            "Overrides an option of the file, as in source.sns.topicArn=arn:... or stages.NAME.filter.sample.percent=20. May be repeated.",
            valueName: "path=value"))
    var settings: [String] = []
}

extension PipelineFile {
    /// Loads one valid file.
    ///
    /// - Throws: `ExitCode.badConfiguration` after printing its errors.
    static func loadOne(
        _ path: String, settings: [String] = [], substitution: Substitution = .system
    ) throws -> PipelineFile {
        let (files, report) = load(
            [path], registry: HecateCommand.registry, settings: settings, substitution: substitution)
        let text = report.description
        if !text.isEmpty { Console.error(text) }
        guard let file = files.first, !report.hasErrors else { throw ExitCode.badConfiguration }
        return file
    }
}
