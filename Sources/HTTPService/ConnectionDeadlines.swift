import NIOCore
import NIOHTTPTypes

/// Closes a connection whose client takes too long: over the body of a request, or over the next request on a connection that is
/// kept alive, its header included. A client that sends a byte now and then holds nothing for ever.
///
/// One for each connection; runs on the connection's event loop.
final class ConnectionDeadlines: ChannelDuplexHandler, RemovableChannelHandler {
    typealias InboundIn = HTTPRequestPart
    typealias InboundOut = HTTPRequestPart
    typealias OutboundIn = HTTPResponsePart
    typealias OutboundOut = HTTPResponsePart

    private let idle: TimeAmount
    private let request: TimeAmount
    private var deadline: Scheduled<Void>?
    private var hasRequest = false

    init(idle: Duration, request: Duration) {
        self.idle = .init(idle)
        self.request = .init(request)
    }

    func handlerAdded(context: ChannelHandlerContext) {
        if context.channel.isActive { arm(idle, context) }
    }

    func channelActive(context: ChannelHandlerContext) {
        arm(idle, context)
        context.fireChannelActive()
    }

    func channelInactive(context: ChannelHandlerContext) {
        deadline?.cancel()
        context.fireChannelInactive()
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch unwrapInboundIn(data) {
        case .head:
            hasRequest = true
            arm(request, context)
        case .body: break
        case .end:
            hasRequest = false
            deadline?.cancel()
        }
        context.fireChannelRead(data)
    }

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        // While a body still comes after its answer, the request's own deadline stands.
        if case .end = unwrapOutboundIn(data), !hasRequest { arm(idle, context) }
        context.write(data, promise: promise)
    }

    private func arm(_ time: TimeAmount, _ context: ChannelHandlerContext) {
        deadline?.cancel()
        let channel = context.channel
        deadline = context.eventLoop.scheduleTask(in: time) { channel.close(promise: nil) }
    }
}
