// SPDX-License-Identifier: Apache-2.0

/// What machined knows of a machine: whether it is a container, and whose.
///
/// File: /run/systemd/machines/NAME. Source: systemd's src/machine/machine.c, machine_save().
struct MachinedState {
  let files: StateFiles

  enum Kind: Equatable {
    case virtualMachine
    /// nspawn or lxc; nil where another made it.
    case container(runtime: String?)
  }

  func kind(of name: String) -> Kind? {
    guard let bytes = files.contents("/run/systemd/machines/\(name)") else { return nil }
    var values: [Substring: Substring] = [:]
    let text = String(decoding: bytes, as: UTF8.self)
    for line in text.split(separator: "\n").prefix(StateFiles.labelsMax) {
      guard let equals = line.firstIndex(of: "=") else { continue }
      values[line[..<equals]] = line[line.index(after: equals)...]
    }
    switch (values["CLASS"], values["SERVICE"]) {
    case ("vm"?, _): return .virtualMachine
    case ("container"?, "systemd-nspawn"?): return .container(runtime: "nspawn")
    case ("container"?, "libvirt-lxc"?): return .container(runtime: "lxc")
    case ("container"?, _): return .container(runtime: nil)
    default: return nil
    }
  }
}
