public import PipelineKit

extension StageRegistry {
    /// Every kind that ships. To add one, write its file in Sources, Filters, Transforms or Sinks, and its line here.
    public static let standard: StageRegistry = {
        var registry = StageRegistry()
        registry.register(SNSSource.self)
        registry.register(SQSSource.self)
        registry.register(HTTPSource.self)
        registry.register(ArgusSource.self)
        registry.register(FileSource.self)
        registry.register(StdinSource.self)
        registry.register(GenerateSource.self)
        registry.register(MatchFilter.self)
        registry.register(SampleFilter.self)
        registry.register(DedupeFilter.self)
        registry.register(ExpiredFilter.self)
        registry.register(RateLimitFilter.self)
        registry.register(ArgusItemTransform.self)
        registry.register(WebhookRegistrationTransform.self)
        registry.register(MapTransform.self)
        registry.register(SplitTransform.self)
        registry.register(ExecTransform.self)
        registry.register(ArgusSink.self)
        registry.register(HTTPSink.self)
        registry.register(SNSSink.self)
        registry.register(SQSSink.self)
        registry.register(ExecSink.self)
        registry.register(LogSink.self)
        registry.register(FanOutSink.self)
        registry.register(FallbackSink.self)
        registry.register(SwitchSink.self)
        registry.register(MirrorSink.self)
        registry.register(FileSink.self)
        registry.register(StdoutSink.self)
        registry.register(DropSink.self)
        return registry
    }()
}
