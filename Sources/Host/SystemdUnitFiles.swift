// SPDX-License-Identifier: Apache-2.0
import Events

/// What a service's unit file and its drop-ins say of the OOM killer, where systemd itself cannot be asked.
///
/// Source: systemd.unit(5), on load paths and drop-ins; systemd.exec(5), systemd.service(5).
package struct SystemdUnitFiles {
  /// Of one service; a nil field is said nowhere, and systemd's default holds.
  package struct Settings: Hashable, Sendable {
    package var oomScoreAdjust: Int?
    package var oomPolicy: String?

    package init(oomScoreAdjust: Int? = nil, oomPolicy: String? = nil) {
      self.oomScoreAdjust = oomScoreAdjust
      self.oomPolicy = oomPolicy
    }
  }

  /// From what the administrator says to what the distribution says.
  private static let folders = [
    "etc/systemd/system", "run/systemd/system", "usr/local/lib/systemd/system", "usr/lib/systemd/system",
    "lib/systemd/system",
  ]
  private let root: KernelName
  private let files = FileReader()

  package init(root: String = "/") { self.root = KernelName(root) }

  /// Nil where there is no file of that service.
  ///
  /// - Parameter unit: with its type, as in `db.service`.
  /// File: UNIT, UNIT.d/*.conf below the load paths.
  package func settings(unit: String) throws(HostError) -> Settings? {
    let names = SystemdUnitFiles.names(of: unit)
    var found: FileContents?
    for name in names where found == nil {
      for folder in SystemdUnitFiles.folders where found == nil {
        found = try contents(KernelName(name), in: folder)
      }
    }
    guard let found else { return nil }
    var settings = Settings()
    SystemdUnitFiles.apply(found, to: &settings)
    for dropIn in try dropIns(names) { SystemdUnitFiles.apply(dropIn, to: &settings) }
    return settings
  }

  /// By name of file, whatever folder it is in; of one name the first folder's counts.
  private func dropIns(_ units: [String]) throws(HostError) -> [FileContents] {
    var places: [KernelName: String] = [:]
    for unit in units + ["service"] {
      for folder in SystemdUnitFiles.folders {
        let path = folder + "/" + unit + ".d"
        guard let directory = try directory(path) else { continue }
        for name in try directory.names(ending: ".conf") where places[name] == nil { places[name] = path }
      }
    }
    var all: [FileContents] = []
    for name in places.keys.sorted(by: { $0.bytes.lexicographicallyPrecedes($1.bytes) }) {
      if let contents = try contents(name, in: places[name]!) { all.append(contents) }
    }
    return all
  }

  /// The unit, and where it is an instance its template.
  private static func names(of unit: String) -> [String] {
    guard let at = unit.firstIndex(of: "@"), let dot = unit.lastIndex(of: "."), at < dot else { return [unit] }
    return [unit, String(unit[...at] + unit[dot...])]
  }

  private func contents(_ name: KernelName, in folder: String) throws(HostError) -> FileContents? {
    guard let directory = try directory(folder) else { return nil }
    return try files.contents(name, in: directory)
  }

  private func directory(_ folder: String) throws(HostError) -> Directory? {
    try Directory(path: root).directory(KernelName(folder))
  }

  /// The last line of a key counts; an empty one takes it back. Source: systemd.syntax(7).
  private static func apply(_ contents: FileContents, to settings: inout Settings) {
    var section = ""
    for line in contents.lines {
      let text = String(decoding: line, as: UTF8.self)
      guard let first = text.first(where: { $0 != " " && $0 != "\t" }), first != "#", first != ";" else { continue }
      if first == "[" {
        section = String(text.filter { $0 != " " })
      } else if section == "[Service]", let equals = text.firstIndex(of: "=") {
        let key = text[..<equals].filter { $0 != " " && $0 != "\t" }
        let value = String(text[text.index(after: equals)...].filter { $0 != " " && $0 != "\t" })
        switch key {
        case "OOMScoreAdjust": settings.oomScoreAdjust = Int(value)
        case "OOMPolicy": settings.oomPolicy = value.isEmpty ? nil : value
        default: break
        }
      }
    }
  }
}
