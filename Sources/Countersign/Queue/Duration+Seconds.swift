extension Duration {
    /// As `make_interval(secs => …)` takes it; microseconds survive.
    var inSeconds: Double {
        Double(components.seconds) + Double(components.attoseconds) / 1e18
    }
}
