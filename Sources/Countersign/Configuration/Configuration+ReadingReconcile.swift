extension ReconcileConfiguration {
    /// The keys under `reconcile`.
    init(reading section: ConfigurationSection) {
        self.init()
        section.section("sweep") { section in
            section.read("interval", into: &sweep.interval)
            section.read("rate", into: &sweep.rate)
            section.read("page_size", into: &sweep.pageSize)
        }
        section.section("recheck") { section in
            section.read("interval", into: &recheck.interval)
            section.read("rate", into: &recheck.rate)
        }
        section.section("identity_monitor") { section in
            section.read("enabled", into: &identityMonitor.isEnabled)
            section.read("start", into: &identityMonitor.start, "now or the index of an entry") { text in
                text == "now" ? .now : Int64(text).flatMap { $0 >= 0 ? .index($0) : nil }
            }
            section.read("poll", into: &identityMonitor.poll)
            section.read("rate", into: &identityMonitor.rate)
            section.read("grace", into: &identityMonitor.grace)
        }
    }

    func problems() -> [ConfigurationProblem] {
        var problems = Problems()
        problems.check(
            !sweep.isScheduled || sweep.interval >= .seconds(10), "reconcile.sweep.interval",
            "must be 0 (only when asked) or at least 10s")
        problems.check((1...1_000).contains(sweep.rate), "reconcile.sweep.rate", "must be 1 to 1000 requests a second")
        problems.check((1...1_000).contains(sweep.pageSize), "reconcile.sweep.page_size", "must be 1 to 1000 names")
        problems.check(
            !recheck.isScheduled || recheck.interval >= .seconds(1), "reconcile.recheck.interval",
            "must be 0 (never) or at least 1s")
        problems.check(
            (1...1_000).contains(recheck.rate), "reconcile.recheck.rate", "must be 1 to 1000 signatures a second")
        problems.check(
            identityMonitor.poll >= .seconds(1), "reconcile.identity_monitor.poll", "must be at least 1s")
        problems.check(
            (1...1_000).contains(identityMonitor.rate), "reconcile.identity_monitor.rate",
            "must be 1 to 1000 requests a second")
        problems.check(
            identityMonitor.grace >= .seconds(60) && identityMonitor.grace <= .seconds(86_400),
            "reconcile.identity_monitor.grace",
            "must be 1m to 24h: our own entries are in the log a moment before our records")
        return problems.found
    }
}
