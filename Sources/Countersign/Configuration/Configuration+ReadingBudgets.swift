extension BudgetConfiguration {
    /// The keys under `budgets`.
    init(reading section: ConfigurationSection) {
        self.init()
        section.read("wait", into: &wait)
        section.read("recovery", into: &recovery)
        section.section("breaker") { section in
            section.read("failures", into: &breaker.failures)
            section.read("calls", into: &breaker.calls)
            section.read("window", into: &breaker.window)
            section.read("share", into: &breaker.share)
            section.read("open", into: &breaker.open)
            section.read("ceiling", into: &breaker.ceiling)
            section.read("probe", into: &breaker.probe)
        }
        upstreams = section.sections("upstreams") { section in
            var upstream = Upstream(kind: .registry)
            if !section.has("upstream") { section.complain("upstream", "is missing: the kind of upstream") }
            section.read("upstream", into: &upstream.kind)
            upstream.name = section.string("name")
            var (rate, concurrency) = (0.0, 0)
            section.read("rate", into: &rate, "a rate such as 20/s, 300/m or 5000/h") { Self.rate($0) }
            section.read("concurrency", into: &concurrency)
            // what was written and could not be read is no absent limit
            if section.has("rate") { upstream.rate = rate }
            if section.has("concurrency") { upstream.concurrency = concurrency }
            return upstream
        }
        repositories = section.sections("repositories") { section in
            var cap = RepositoryCap(repositories: section.globs("repositories"), signaturesPerDay: 0)
            section.read("signatures_per_day", into: &cap.signaturesPerDay)
            return cap
        }
    }

    /// `20/s` as requests a second.
    private static func rate(_ text: String) -> Double? {
        let parts = text.split(separator: "/", omittingEmptySubsequences: false)
        let seconds: [Substring: Double] = ["s": 1, "m": 60, "h": 3_600]
        guard parts.count == 2, let count = Double(parts[0]), count.isFinite, let span = seconds[parts[1]] else {
            return nil
        }
        let rate = count / span
        // none at all is told as such later
        return rate <= 0 || TokenBucket.rates.contains(rate) ? rate : nil
    }
}

extension Configuration {
    func budgetProblems() -> [ConfigurationProblem] {
        var problems = Problems()
        problems.check(budgets.wait >= .zero, "budgets.wait", "must not be negative")
        problems.positive("budgets.recovery", budgets.recovery)
        let breaker = budgets.breaker
        problems.positive("budgets.breaker.failures", breaker.failures)
        problems.positive("budgets.breaker.calls", breaker.calls)
        problems.check(breaker.window >= .seconds(1), "budgets.breaker.window", "must be at least 1s")
        problems.check((1...100).contains(breaker.share), "budgets.breaker.share", "is a share in per cent, 1 to 100")
        problems.positive("budgets.breaker.open", breaker.open)
        problems.check(
            breaker.ceiling >= breaker.open, "budgets.breaker.ceiling", "must not be below budgets.breaker.open")
        problems.positive("budgets.breaker.probe", breaker.probe)
        for (position, upstream) in budgets.upstreams.enumerated() {
            let path = "budgets.upstreams[\(position)]"
            problems.check(upstream.rate.map { $0 > 0 } ?? true, "\(path).rate", "must be above 0")
            problems.check(upstream.concurrency.map { $0 > 0 } ?? true, "\(path).concurrency", "must be above 0")
            problems.check(
                upstream.rate != nil || upstream.concurrency != nil, path, "gives neither rate nor concurrency")
            guard upstream.kind == .registry, let name = upstream.name else { continue }
            problems.check(
                registries.contains { $0.name == name }, "\(path).name",
                "'\(name)' is not the name of a configured registry")
        }
        for (position, cap) in budgets.repositories.enumerated() {
            let path = "budgets.repositories[\(position)]"
            problems.check(!cap.repositories.isEmpty, "\(path).repositories", "matches nothing")
            problems.positive("\(path).signatures_per_day", cap.signaturesPerDay)
        }
        return problems.found
    }
}
