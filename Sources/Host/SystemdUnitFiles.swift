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
    /// What systemd-oomd does for the unit, as systemd.resource-control(5) has it.
    package var managedOOMSwap: String?
    package var managedOOMMemoryPressure: String?

    package init(
      oomScoreAdjust: Int? = nil, oomPolicy: String? = nil, managedOOMSwap: String? = nil,
      managedOOMMemoryPressure: String? = nil
    ) {
      self.oomScoreAdjust = oomScoreAdjust
      self.oomPolicy = oomPolicy
      self.managedOOMSwap = managedOOMSwap
      self.managedOOMMemoryPressure = managedOOMMemoryPressure
    }
  }

  /// From what the administrator says to what the distribution says.
  static let folders = [
    "etc/systemd/system", "run/systemd/system", "usr/local/lib/systemd/system", "usr/lib/systemd/system",
    "lib/systemd/system",
  ]
  private let root: KernelName
  private let files = FileReader()

  package init(root: String = "/") { self.root = KernelName(root) }

  /// All units of these types that have a file or a folder of drop-ins, templates among them, by name.
  ///
  /// File: *.service, *.service.d and the like below the load paths.
  package func names(types: [String]) throws(HostError) -> [String] {
    var names: Set<String> = []
    for folder in SystemdUnitFiles.folders {
      guard let directory = try directory(folder) else { continue }
      for type in types {
        for name in try directory.names(ending: ".\(type)") { names.insert(name.text) }
        for name in try directory.names(ending: ".\(type).d") { names.insert(String(name.text.dropLast(2))) }
      }
    }
    // Anybody who may write there may name a file in any way; systemd takes valid names alone.
    return names.filter { $0.utf8.allSatisfy(SystemdUnit.isAllowed) }.sorted()
  }

  /// Nil where there is no file of that service or slice.
  ///
  /// - Parameters:
  ///   - unit: with its type, as in `db.service`.
  ///   - isBuiltIn: systemd has it without a file too, as `-.slice`: then the drop-ins alone may speak.
  /// File: UNIT, UNIT.d/*.conf below the load paths.
  package func settings(unit: String, isBuiltIn: Bool = false) throws(HostError) -> Settings? {
    let names = SystemdUnitFiles.names(of: unit)
    var found: FileContents?
    for name in names where found == nil {
      for folder in SystemdUnitFiles.folders where found == nil {
        found = try contents(KernelName(name), in: folder)
      }
    }
    guard found != nil || isBuiltIn else { return nil }
    var settings = Settings()
    if let found { SystemdUnitFiles.apply(found, to: &settings) }
    for dropIn in try dropIns(names) { SystemdUnitFiles.apply(dropIn, to: &settings) }
    return settings
  }

  /// By name of file, whatever folder it is in; of one name the first folder's counts.
  private func dropIns(_ units: [String]) throws(HostError) -> [FileContents] {
    var places: [KernelName: String] = [:]
    let type = units[0].split(separator: ".").last.map(String.init) ?? "service"
    for unit in units + [type] {
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
      } else if section == "[Service]" || section == "[Slice]", let equals = text.firstIndex(of: "=") {
        let key = text[..<equals].filter { $0 != " " && $0 != "\t" }
        let value = String(text[text.index(after: equals)...].filter { $0 != " " && $0 != "\t" })
        switch key {
        case "OOMScoreAdjust": settings.oomScoreAdjust = Int(value)
        case "OOMPolicy": settings.oomPolicy = value.isEmpty ? nil : value
        case "ManagedOOMSwap": settings.managedOOMSwap = value.isEmpty ? nil : value
        case "ManagedOOMMemoryPressure": settings.managedOOMMemoryPressure = value.isEmpty ? nil : value
        default: break
        }
      }
    }
  }
}
