// SPDX-License-Identifier: Apache-2.0
#include "core/checkpoint/h5_mapping.h"

#include "core/checkpoint/h5_keras.h"
#include "core/checkpoint/json_scanner.h"
#include "core/checkpoint/name_index.h"
#include "core/checkpoint/path_pattern.h"

#include <algorithm>
#include <fmt/format.h>

namespace qs {

namespace {

constexpr uint64_t kMatchBudget = uint64_t(1) << 30; // a few seconds

/// Names that frameworks and scripts use; "kernel" is stored [in, out].
const std::vector<H5MapRule>& usualNames() {
    static const std::vector<H5MapRule> rules = [] {
        std::vector<H5MapRule> list;
        for (const char* p : {"activations/**", "activation/**", "acts/**", "inputs/**"})
            list.push_back({std::string("/") + p, H5Role::Activation, "{1}"});
        for (const char* p : {"**/activations", "**/activation", "**/input"})
            list.push_back({std::string("/") + p, H5Role::Activation, "{1}"});
        for (const char* p : {"**/weight", "**.weight", "**/weight:0"})
            list.push_back({std::string("/") + p, H5Role::Weight, "{1}"});
        for (const char* p : {"**/kernel:0", "**/kernel"})
            list.push_back({std::string("/") + p, H5Role::Weight, "{1}", true});
        for (const char* p : {"**/bias", "**.bias", "**/bias:0"})
            list.push_back({std::string("/") + p, H5Role::Bias, "{1}"});
        return list;
    }();
    return rules;
}

std::string dotted(std::string text) {
    const size_t start = std::min(text.find_first_not_of('/'), text.size());
    text.erase(0, start);
    std::replace(text.begin(), text.end(), '/', '.');
    return text;
}

std::string parentOf(const std::string& path) {
    return path.substr(0, path.rfind('/'));
}

class Mapper {
public:
    Mapper(const H5Listing& listing, const H5Mapping& mapping)
        : listing_(listing), mapping_(mapping), keras_(kerasRules(listing)) {}

    Result<std::vector<H5MappedArray>> map() {
        for (size_t i = 0; i < listing_.nodes.size(); ++i) {
            if (listing_.nodes[i].kind != H5Node::Kind::Array) continue;
            QS_TRY(H5MappedArray array, decide(i));
            out_.push_back(std::move(array));
            if (budget_ == 0)
                return Error::unsupported("the patterns take too long to match the names of the file",
                                          mapping_.source);
        }
        QS_CHECK(separateNames());
        return std::move(out_);
    }

private:
    const H5Node& node(const H5MappedArray& a) const { return listing_.nodes[a.node]; }

    Result<H5MappedArray> decide(size_t index) {
        const H5Node& n = listing_.nodes[index];
        if (findBadUtf8(n.path) != std::string::npos)
            return Error::corrupt("the path of an array is not UTF-8");
        for (size_t r = 0; r < mapping_.rules.size(); ++r) {
            const auto stars = matchPath(mapping_.rules[r].pattern, n.path, budget_);
            if (!stars) continue;
            const std::string who = fmt::format("rule {} of {}", r + 1, mapping_.source);
            auto array = apply(mapping_.rules[r], index, *stars, who);
            if (!array) return array.takeError().at(who + ": " + n.path);
            return array;
        }
        if (const auto it = keras_.find(n.path); it != keras_.end())
            if (auto array = apply(it->second, index, {}, "Keras")) return array;
        for (const H5MapRule& rule : usualNames())
            if (const auto stars = matchPath(rule.pattern, n.path, budget_))
                if (auto array = apply(rule, index, *stars, "usual names")) return array;
        return apply({"", H5Role::Tensor, ""}, index, {}, "no rule");
    }

    /// An Error when the rule does not fit the array.
    Result<H5MappedArray> apply(const H5MapRule& rule, size_t index, const std::vector<std::string>& stars,
                                std::string who) const {
        const H5Node& n = listing_.nodes[index];
        H5MappedArray a;
        a.node = index;
        a.role = rule.role;
        a.reason = std::move(who);
        QS_TRY(a.name, nameOf(rule, n, stars));
        a.type = n.type;
        const bool tagged =
            std::any_of(n.attributes.begin(), n.attributes.end(), [](const H5TextAttribute& t) {
                return t.name == "dtype" && t.values == std::vector<std::string>{"bfloat16"};
            });
        if (rule.bfloat16 && n.type != DType::U16 && n.type != DType::BF16)
            return Error::invalid(fmt::format("bfloat16 of {} elements", dtypeInfo(n.type).name));
        if (n.type == DType::U16 && (rule.bfloat16 || tagged)) a.type = DType::BF16;
        QS_CHECK(shape(rule, n, a));
        return a;
    }

    static Result<std::string> nameOf(const H5MapRule& rule, const H5Node& n,
                                      const std::vector<std::string>& stars) {
        const bool part = rule.role == H5Role::Weight || rule.role == H5Role::Bias;
        std::string module;
        if (rule.module.empty()) {
            module = dotted(part && n.path.rfind('/') > 0 ? parentOf(n.path) : n.path);
        } else {
            const auto filled = fillIn(rule.module, stars);
            if (!filled)
                return Error::invalid(
                    fmt::format("module '{}' names a star that the pattern does not have", rule.module));
            module = dotted(*filled);
        }
        if (findBadUtf8(module) != std::string::npos)
            return Error::invalid("a star cuts a character of the path in two");
        if (part) module += std::string(module.empty() ? "" : ".") + h5RoleName(rule.role);
        return module.empty() ? dotted(n.path) : module;
    }

    static Result<void> shape(const H5MapRule& rule, const H5Node& n, H5MappedArray& a) {
        const std::vector<uint64_t>& s = n.shape;
        H5Flatten flatten = rule.flatten;
        if (rule.role == H5Role::Activation && flatten == H5Flatten::None) flatten = H5Flatten::Leading;
        if (rule.role == H5Role::Activation && s.size() < 2)
            return Error::invalid(
                fmt::format("an activation is [tokens, channels], this array has {} dimensions", s.size()));
        // Rank 1 is one row; [a, b, c] is [a * b, c], or [a, b * c] when the trailing axes are joined.
        const size_t split = flatten == H5Flatten::Trailing && s.size() > 1 ? 1 : s.size() - !s.empty();
        a.rows = a.cols = 1;
        for (size_t i = 0; i < s.size(); ++i)
            (i < split ? a.rows : a.cols) *= s[i];
        a.shape = s;
        if (rule.role == H5Role::Bias && s.size() > 1) { // a bias of attention heads: they stand side by side
            a.cols = n.elements();
            a.rows = 1;
            a.shape = {a.cols};
            return {};
        }
        if (flatten != H5Flatten::None && s.size() > 1) a.shape = {a.rows, a.cols};
        if (!rule.transpose) return {};
        if (a.shape.size() != 2)
            return Error::invalid(
                fmt::format("only a matrix can be transposed, this array has {} dimensions; flatten "
                            "joins axes",
                            s.size()));
        a.transpose = true;
        std::swap(a.shape[0], a.shape[1]);
        return {};
    }

    /// Names decided without a mapping file must not collide: the later array takes its path.
    Result<void> separateNames() {
        for (int round = 0;; ++round) {
            std::vector<std::string_view> names;
            std::vector<size_t> of;
            for (size_t i = 0; i < out_.size(); ++i)
                if (out_[i].role != H5Role::Ignore) {
                    names.push_back(out_[i].name);
                    of.push_back(i);
                }
            const NameIndex index(names);
            std::vector<size_t> later;
            for (size_t k = 0; k < names.size(); ++k)
                if (index.find(names[k]) != k) later.push_back(of[k]);
            if (later.empty()) return {};
            for (const size_t i : later) {
                if (round > 0 || out_[i].reason.starts_with("rule"))
                    return Error::invalid(
                        fmt::format("two arrays take the name '{}', the second is {}; a mapping file can "
                                    "tell them apart",
                                    out_[i].name, node(out_[i]).path),
                        mapping_.source);
                QS_TRY(H5MappedArray plain,
                       apply({"", H5Role::Tensor, ""}, out_[i].node, {}, "its name is taken"));
                out_[i] = std::move(plain);
            }
        }
    }

    const H5Listing& listing_;
    const H5Mapping& mapping_;
    const std::map<std::string, H5MapRule> keras_;
    uint64_t budget_ = kMatchBudget;
    std::vector<H5MappedArray> out_;
};

} // namespace

Result<std::vector<H5MappedArray>> mapH5Arrays(const H5Listing& listing, const H5Mapping& mapping) {
    return Mapper(listing, mapping).map();
}

} // namespace qs
