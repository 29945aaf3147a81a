// SPDX-License-Identifier: Apache-2.0

import Events
import Testing

@Suite("A control group's systemd unit is what systemctl status shows")
struct SystemdUnitTests {
  @Test(
    "The first component below the slices, where it is a unit",
    arguments: [
      ("/system.slice/nginx.service", "nginx.service"),
      ("/system.slice/nginx.service/worker", "nginx.service"),
      ("/system.slice/system-getty.slice/getty@tty1.service", "getty@tty1.service"),
      ("/user.slice/user-1000.slice/session-2.scope", "session-2.scope"),
      ("/user.slice/user-1000.slice/user@1000.service/app.slice/foo.service", "user@1000.service"),
      ("/machine.slice/machine-a\\x2db.scope/payload/system.slice/foo.service", "machine-a\\x2db.scope"),
      (
        "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod1_2.slice/cri-containerd-9f.scope",
        "cri-containerd-9f.scope"
      ),
      ("/init.scope", "init.scope"),
      ("/system.slice/dev-sda2.swap", "dev-sda2.swap"),
      ("/system.slice/run-user-0.mount", "run-user-0.mount"),
      ("/system.slice/dbus.socket", "dbus.socket"),
      ("/system.slice/_memory.events.service", "memory.events.service"),
      ("/_foo.slice/a.service", "a.service"),
      ("//system.slice///a.service/", "a.service"),
      ("/", nil), ("", nil), ("/system.slice", nil), ("/process_api/abe5", nil), ("/../system.slice/a.service", nil),
      ("/docker/0123456789ab", nil), ("/system.slice/plain/a.service", nil), ("/a@b.slice/c.service", nil),
      ("/system.slice/@a.service", nil), ("/system.slice/a@.service", nil), ("/system.slice/.service", nil),
      ("/system.slice/a.unknown", nil), ("/system.slice/a b.service", nil), ("/system.slice/_.service", nil),
      ("/system.slice/\u{e9}.service", nil), ("/system.slice/a\n.service", nil), ("/.slice/a.service", nil),
      ("/" + String(repeating: "a", count: 247) + ".service", String(repeating: "a", count: 247) + ".service"),
      ("/" + String(repeating: "a", count: 248) + ".service", nil),
    ] as [(String, String?)])
  func name(path: String, unit: String?) {
    #expect(SystemdUnit.name(inCgroupPath: KernelName(path)) == unit)
  }

  @Test("Bytes that are no text are no unit")
  func bytes() {
    let path = Array("/system.slice/".utf8) + [0xff, 0xfe] + Array(".service".utf8)
    #expect(SystemdUnit.name(inCgroupPath: KernelName(bytes: path)) == nil)
  }
}
