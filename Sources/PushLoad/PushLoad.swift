import ArgumentParser

/// `countersign-push`: pushes images the way any client does, and measures what the daemon made of them.
@main
struct PushLoad: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "countersign-push",
        abstract: "Push sample images or a burst of distinct images, and report what was signed, when.",
        subcommands: [Samples.self, Burst.self])
}
