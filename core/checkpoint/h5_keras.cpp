// SPDX-License-Identifier: Apache-2.0
#include "core/checkpoint/h5_keras.h"

#include <algorithm>
#include <set>

namespace qs {

namespace {

const std::vector<std::string>* attribute(const H5Node& node, std::string_view name) {
    for (const H5TextAttribute& a : node.attributes)
        if (a.name == name) return &a.values;
    return nullptr;
}

const H5Node* findNode(const H5Listing& listing, const std::string& path) {
    const auto it = std::lower_bound(listing.nodes.begin(), listing.nodes.end(), path,
                                     [](const H5Node& n, const std::string& p) { return n.path < p; });
    return it != listing.nodes.end() && it->path == path ? &*it : nullptr;
}

bool contains(std::string_view text, std::string_view word) {
    return text.find(word) != text.npos;
}

/// A kernel of Dense is [in, out]; the EinsumDense kernels of attention are [hidden, heads, size] and, on the
/// way back, [heads, size, hidden]. Other kernels (convolutions) keep their axes.
void shapeKernel(H5MapRule& rule, const H5Node& node, std::string_view layer) {
    const size_t rank = node.shape.size();
    rule.transpose = rank == 2;
    if (rank != 3) return;
    const bool inward = contains(layer, "query") || contains(layer, "key") || contains(layer, "value");
    const bool outward = contains(layer, "output");
    if (inward == outward) return;
    rule.transpose = true;
    rule.flatten = inward ? H5Flatten::Trailing : H5Flatten::Leading;
}

std::string_view lastPart(std::string_view path) {
    return path.substr(path.rfind('/') + 1); // npos + 1 is 0
}
std::string_view parentPath(std::string_view path) {
    const size_t slash = path.rfind('/');
    return slash == path.npos ? std::string_view() : path.substr(0, slash);
}

/// `name` as in weight_names: "encoder/dense/kernel:0".
H5MapRule legacyRule(const H5Node& node, std::string name) {
    if (name.ends_with(":0")) name.resize(name.size() - 2);
    const std::string_view variable = lastPart(name), layer = parentPath(name);
    H5MapRule rule;
    rule.module = layer;
    if (variable == "kernel") {
        rule.role = H5Role::Weight;
        shapeKernel(rule, node, lastPart(layer));
    } else if (variable == "embeddings" || variable == "gamma") {
        rule.role = H5Role::Weight;
    } else if (variable == "bias" || variable == "beta") {
        rule.role = H5Role::Bias;
    } else {
        rule.role = H5Role::Tensor;
        rule.module = name;
    }
    return rule;
}

void addLegacyLayer(const H5Listing& listing, const std::string& group,
                    std::map<std::string, H5MapRule>& out) {
    const H5Node* layer = findNode(listing, group);
    const std::vector<std::string>* names = layer ? attribute(*layer, "weight_names") : nullptr;
    if (!names) return;
    for (const std::string& name : *names) {
        const H5Node* node = findNode(listing, group + "/" + name);
        if (node && node->kind == H5Node::Kind::Array) out.emplace(node->path, legacyRule(*node, name));
    }
}

std::map<std::string, H5MapRule> legacyRules(const H5Listing& listing) {
    std::map<std::string, H5MapRule> out;
    for (const std::string base : {"", "/model_weights"}) {
        const H5Node* root = findNode(listing, base.empty() ? "/" : base);
        const std::vector<std::string>* layers = root ? attribute(*root, "layer_names") : nullptr;
        if (!layers) continue;
        for (const std::string& layer : *layers)
            addLegacyLayer(listing, base + "/" + layer, out);
    }
    return out;
}

/// "/layers/dense/vars/0": variables have numbers, and the layer's name must say what it is.
std::map<std::string, H5MapRule> numberedRules(const H5Listing& listing) {
    std::map<std::string, H5MapRule> out;
    for (const H5Node& node : listing.nodes) {
        const std::string_view number = lastPart(node.path), vars = parentPath(node.path);
        if (node.kind != H5Node::Kind::Array || lastPart(vars) != "vars" || number.size() != 1) continue;
        std::string_view layer = parentPath(vars);
        for (const std::string_view prefix : {"/_layer_checkpoint_dependencies/", "/layers/", "/"})
            if (layer.starts_with(prefix)) {
                layer.remove_prefix(prefix.size());
                break;
            }
        const size_t rank = node.shape.size();
        H5MapRule rule;
        rule.module = layer;
        if (number == "0" && rank >= 1) {
            rule.role = H5Role::Weight;
            if (!contains(layer, "embedding")) shapeKernel(rule, node, lastPart(layer));
        } else if (number == "1" && rank >= 1 && rank <= 2 && !contains(layer, "embedding")) {
            rule.role = H5Role::Bias;
        } else {
            rule.module = std::string(layer) + "/vars/" + std::string(number);
        }
        out.emplace(node.path, std::move(rule));
    }
    return out;
}

} // namespace

std::map<std::string, H5MapRule> kerasRules(const H5Listing& listing) {
    std::map<std::string, H5MapRule> out = legacyRules(listing);
    const bool legacy = !out.empty();
    if (!legacy) out = numberedRules(listing);
    if (out.empty()) return out;
    for (const H5Node& node : listing.nodes) {
        const bool optimizer = node.path.starts_with(legacy ? "/optimizer_weights/" : "/optimizer/");
        if (node.kind == H5Node::Kind::Array && optimizer) out[node.path] = {"", H5Role::Ignore, ""};
    }
    return out;
}

} // namespace qs
