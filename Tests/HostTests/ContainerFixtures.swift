// SPDX-License-Identifier: Apache-2.0

/// What runtimes write of their containers: Docker's, containerd's and Podman's as they were written here (docker 20.10,
/// containerd 1.6, podman 4.3) and shortened; the others from the formats that each names.
enum ContainerFixtures {
  static let id = String(repeating: "0a", count: 32)
  static let id2 = String(repeating: "0b", count: 32)
  static let id3 = String(repeating: "0c", count: 32)
  static let uid = "01234567-89ab-cdef-0123-456789abcdef"
  static let hash = "0123456789abcdef0123456789abcdef"

  static func docker(name: String, image: String = "shop/web:7", labels: String = "") -> String {
    #"{"StreamConfig":{},"State":{"Running":true,"Pid":7974,"Health":null},"ID":"\#(id)","Managed":false,"Args":["100000"],"#
      + #""Config":{"Hostname":"0a0a","Env":null,"Cmd":["/bin/sleep"],"Image":"\#(image)","Labels":{\#(labels)}},"#
      + #""Image":"sha256:b67e","NetworkSettings":{"Networks":{"none":{"IPPrefixLen":0}}},"Name":"\#(name)","#
      + #""Driver":"vfs","RestartCount":0,"MountPoints":{},"NoNewPrivileges":false}"#
  }

  static let compose = #""com.docker.compose.project":"shop","com.docker.compose.service":"web""#

  /// Source: kubernetes 1.20, pkg/kubelet/dockershim/helpers.go, makeLabels().
  static func dockershim(_ container: String, type: String) -> String {
    #""io.kubernetes.container.name":"\#(container)","io.kubernetes.docker.type":"\#(type)","#
      + #""io.kubernetes.pod.name":"cart-0","io.kubernetes.pod.namespace":"shop","io.kubernetes.pod.uid":"\#(uid)","#
      + #""annotation.kubernetes.io/config.source":"api""#
  }

  static func bundle(_ annotations: String, mount: String = "proc") -> String {
    #"{"ociVersion":"1.0.2-dev","process":{"user":{"uid":0},"args":["/bin/sleep"],"oomScoreAdj":0},"#
      + #""mounts":[{"destination":"/proc","source":"\#(mount)","options":["nosuid"]}],"annotations":{\#(annotations)}}"#
  }

  /// Source: containerd 1.6, pkg/cri/annotations/annotations.go.
  static func cri(_ container: String, type: String, uid: String = uid) -> String {
    #""io.kubernetes.cri.container-name":"\#(container)","io.kubernetes.cri.container-type":"\#(type)","#
      + #""io.kubernetes.cri.image-name":"docker.io/shop/web:7","io.kubernetes.cri.sandbox-id":"\#(id2)","#
      + #""io.kubernetes.cri.sandbox-name":"cart-0","io.kubernetes.cri.sandbox-namespace":"shop","#
      + #""io.kubernetes.cri.sandbox-uid":"\#(uid)""#
  }

  /// Source: CRI-O 1.24, internal/factory/container/container.go, SpecAddAnnotations(); pkg/annotations.
  static func crio(_ container: String, type: String) -> String {
    #""io.container.manager":"cri-o","io.kubernetes.container.name":"\#(container)","io.kubernetes.cri-o.ContainerType":"\#(type)","#
      + #""io.kubernetes.cri-o.ImageName":"quay.io/shop/web:7","io.kubernetes.cri-o.Name":"k8s_\#(container)_cart-0_shop_\#(uid)_0","#
      + #""io.kubernetes.pod.name":"cart-0","io.kubernetes.pod.namespace":"shop","io.kubernetes.pod.uid":"\#(uid)","#
      + #""io.kubernetes.cri-o.Annotations":"{\"kubernetes.io/config.source\":\"file\",\"n\":1}""#
  }

  /// Of a container in a pod.
  static let podman =
    #""io.container.manager":"libpod","io.kubernetes.cri-o.ContainerType":"container","#
    + #""io.kubernetes.cri-o.SandboxID":"\#(id2)","io.podman.annotations.init":"FALSE""#

  static func podmanEntry(_ id: String, _ name: String, image: String = "localhost/bb:latest") -> String {
    #"{"id":"\#(id)","names":["\#(name)"],"image":"3807","layer":"0834","#
      + #""metadata":"{\"image-name\":\"\#(image)\",\"image-id\":\"3807\",\"name\":\"\#(name)\",\"created-at\":1795852419}","#
      + #""created":"2026-11-28T07:53:39.851154343Z","flags":{"MountLabel":"","ProcessLabel":""}}"#
  }

  /// Source: systemd 252, src/machine/machine.c, machine_save().
  static func machine(class kind: String, service: String) -> String {
    "# This is private data. Do not parse.\nNAME=web\nSCOPE=machine-web.scope\nSERVICE=\(service)\nROOT=/var/lib/machines/web\n"
      + "ID=0123\nLEADER=7\nCLASS=\(kind)\nREALTIME=1\nMONOTONIC=1\n"
  }
}
