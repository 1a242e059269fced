"""Nothing is fused after the CPU flex template, which does not support it; all other fusions remain."""


def can_fuse_vertical(original):
    def with_nothing_behind_flex(self, node1, node2):
        # A node may be several that were fused; only a template of Inductor's C++ backend has `template`.
        # By its name: the class may not exist yet while Inductor's modules import each other.
        if node1.is_template():
            template = getattr(node1.get_template_node(), "template", None)
            if type(template).__name__ == "CppFlexAttentionTemplate":
                return False
        return original(self, node1, node2)

    return with_nothing_behind_flex
