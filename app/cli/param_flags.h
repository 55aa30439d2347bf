// SPDX-License-Identifier: Apache-2.0
// Command-line flags made from ParamSpecs: `scale_dtype` becomes --scale-dtype. The flags of several registry
// entries are united; which of them apply is decided by the entries that were chosen.
#pragma once

#include "core/base/param_spec.h"

#include <CLI/CLI.hpp>
#include <map>
#include <memory>
#include <set>

namespace qs::cli {

class ParamFlags {
public:
    /// `owner` is how a flag's help and errors name the entry, e.g. "method gptq". `specs` must outlive this
    /// object.
    void addOwner(const std::string& owner, const ParamSpecs& specs);
    /// Declares one flag per distinct key.
    void declare(CLI::App& app, const std::string& group);

    bool anyGiven() const { return !given_.empty(); }
    /// Defaults overlaid with the flags given; a bad value is a usage error that names the flag.
    Params valuesFor(const ParamSpecs& specs) const;
    /// Usage error for a flag that belongs to none of `chosen`.
    void refuseOthers(const std::set<std::string>& chosen) const;

private:
    struct Flag {
        std::vector<std::pair<std::string, const ParamSpec*>> owners;
        std::string text;
    };
    void declareFlag(CLI::App& app, const std::string& group, const std::string& key, Flag& flag);

    std::vector<std::string> order_;
    std::map<std::string, Flag> flags_;
    std::map<std::string, std::string> given_; ///< key -> text
};

/// "scale_dtype" -> "--scale-dtype".
std::string flagName(const std::string& key);

} // namespace qs::cli
