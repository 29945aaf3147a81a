// SPDX-License-Identifier: Apache-2.0

/// Names the systemd unit that a control group belongs to.
///
/// It is the system's unit, the one that `systemctl status PID` shows: what runs in user@1000.service is of
/// user@1000.service, whatever units the user's own manager or a container's makes below. Source: systemd's
/// src/basic/cgroup-util.c, cg_path_get_unit().
package enum SystemdUnit {
  /// The first component below the slices where that is a unit, else nil: a process in a slice itself has no unit.
  ///
  /// Source: systemd.unit(5), cg_path_get_unit().
  package static func name(inCgroupPath path: KernelName) -> String? {
    for component in path.bytes.split(separator: UInt8(ascii: "/")) {
      let name = unescaped(component)
      guard let type = type(of: name) else { return nil }
      if type != "slice" { return String(decoding: name, as: UTF8.self) }
      if name.contains(UInt8(ascii: "@")) { return nil }
    }
    return nil
  }

  /// The name of a service as systemd has it: `.service` is added where no type is named. Nil for what is no service, or no
  /// name at all; a template (`db@.service`) is one too.
  ///
  /// Source: systemd.unit(5), unit_name_mangle().
  package static func service(named text: String) -> String? {
    func type(_ name: String) -> String? { self.type(of: Array(name.replacing("@.", with: "@x.").utf8)[...]) }
    if text.hasSuffix(".service") { return type(text) == nil ? nil : text }
    let name = text + ".service"
    return type(text) == nil && type(name) != nil ? name : nil
  }

  /// systemd writes `_` before a name that would look like a file of the kernel's.
  private static func unescaped(_ component: ArraySlice<UInt8>) -> ArraySlice<UInt8> {
    component.first == UInt8(ascii: "_") ? component.dropFirst() : component
  }

  /// The type of a valid name of a unit that is no template, or nil. Source: systemd's unit_name_is_valid().
  private static func type(of name: ArraySlice<UInt8>) -> String? {
    guard name.count < 256, let dot = name.lastIndex(of: UInt8(ascii: ".")), dot > name.startIndex else { return nil }
    let stem = name[..<dot]
    guard stem.allSatisfy(isAllowed) else { return nil }
    if let at = stem.firstIndex(of: UInt8(ascii: "@")), at == stem.startIndex || at == stem.endIndex - 1 { return nil }
    switch String(decoding: name[(dot + 1)...], as: UTF8.self) {
    case "service", "scope", "slice", "socket", "mount", "swap", "target", "device", "automount", "timer", "path":
      return String(decoding: name[(dot + 1)...], as: UTF8.self)
    default: return nil
    }
  }

  /// A byte of a unit's name.
  package static func isAllowed(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "a")...UInt8(ascii: "z"),
      UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: ":"), UInt8(ascii: "-"), UInt8(ascii: "_"),
      UInt8(ascii: "."), UInt8(ascii: "\\"), UInt8(ascii: "@"):
      true
    default: false
    }
  }
}
