import FoundationEssentials

/// The folder of `Package.swift`, also when the tests are built through a link to this one.
public let packageRoot: String = {
    let source = URL(filePath: #filePath).resolvingSymlinksInPath()
    // Tests/Support/PackageRoot.swift
    return source.deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
        .path(percentEncoded: false).droppingTrailingSlash
}()

/// A file of the recorded material that lies beside a checkout but is not part of it; nil where it is absent, for
/// `.enabled(if: sharedMaterial("vectors/…") != nil, "the recorded material is not here (../shared)")`. The end of `make test`
/// repeats what is said there.
public func sharedMaterial(_ relative: String) -> String? {
    let path = packageRoot + "/../shared/" + relative
    return FileManager.default.fileExists(atPath: path) ? path : nil
}

extension String {
    fileprivate var droppingTrailingSlash: String { count > 1 && hasSuffix("/") ? String(dropLast()) : self }
}
