// SPDX-License-Identifier: Apache-2.0
import Glibc

/// Two readers of metrics that we have not written: Prometheus' own promtool, and the parsers of its client for Python.
public enum MetricJudge {
  private static let wheels = Repository.root + "/.build/python"

  /// Why they cannot judge here; nil where they can.
  public static let refusal: String? = {
    if access("/usr/bin/promtool", X_OK) != 0 { return "needs /usr/bin/promtool (Debian's prometheus)" }
    let tried = Python.run("import sys; sys.path.insert(0, sys.argv[1]); import prometheus_client", [wheels])
    return tried.status == 0 ? nil : "needs prometheus-client in .build/python: \(tried.output)"
  }()

  public static var mayRun: Bool { Requirement.mustRun || refusal == nil }

  /// One sample a line, as the parser has it: name, labels in order, value, each written by Python's repr().
  private static let script = """
    import sys
    sys.path.insert(0, sys.argv[1])
    if sys.argv[2] == "openmetrics":
        from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse
    else:
        from prometheus_client.parser import text_string_to_metric_families as parse
    names = set()
    for family in parse(open(sys.argv[3], encoding="utf-8", newline="").read()):
        if family.name in names: print("twice:", family.name)
        names.add(family.name)
        if not family.documentation: print("no help:", family.name)
        seen = set()
        for sample in family.samples:
            key = (sample.name, tuple(sorted(sample.labels.items())))
            if key in seen: print("twice:", key)
            seen.add(key)
            print(sample.name, sorted(sample.labels.items()), sample.value)
    """

  /// What the client's parser reads; `twice:` or a traceback where it is not right.
  public static func parsed(_ page: String, isOpenMetrics: Bool) -> (status: Int32, lines: [String]) {
    let path = Python.temporaryFile(page)
    defer { unlink(path) }
    let judged = Python.run(script, [wheels, isOpenMetrics ? "openmetrics" : "text", path])
    return (judged.status, judged.output.split(separator: "\n").map(String.init))
  }

  /// What promtool has against a page in the plain text; empty where nothing.
  public static func promtool(_ page: String) -> String {
    let path = Python.temporaryFile(page)
    defer { unlink(path) }
    let judged = Program.run("/bin/sh", ["-c", "exec /usr/bin/promtool check metrics < '\(path)'"])
    return judged.status == 0 && judged.errors.isEmpty
      ? "" : "status \(judged.status): \(judged.output)\(judged.errors)"
  }

  /// Samples of a page, by name and labels as they stand there.
  public static func samples(_ page: String) -> [String: String] {
    var samples: [String: String] = [:]
    for line in page.split(separator: "\n") where !line.hasPrefix("#") {
      guard let blank = line.lastIndex(of: " ") else { continue }
      samples[String(line[..<blank])] = String(line[line.index(after: blank)...])
    }
    return samples
  }
}
