// SPDX-License-Identifier: Apache-2.0
#include "app/cli/command.h"

namespace qs::cli {

CLI::App& Commands::add(const std::string& name, const std::string& summary,
                        const std::vector<std::string>& examples, Action action) {
    CLI::App* command = app_.add_subcommand(name, summary);
    command->add_flag("--json", json_, "Write the result to standard output as JSON, and nothing else");
    std::string footer = "Examples:\n";
    for (const std::string& example : examples)
        footer += "  quantoscope-cli " + example + "\n";
    command->footer(footer);
    actions_.emplace_back(command, std::move(action));
    return *command;
}

Commands::Action Commands::chosen() const {
    for (const auto& [command, action] : actions_)
        if (command->parsed()) return action;
    return {};
}

void refuseUsage(const std::string& flag, const std::string& message) {
    throw CLI::ValidationError(flag, message);
}

void BackendOptions::addDevice(CLI::App& app) {
    app.add_option("--device", device, "Where to compute: auto, cpu or cuda:N")
        ->type_name("ID")
        ->capture_default_str()
        ->check([](const std::string& id) {
            const bool numbered = id.size() > 5 && id.rfind("cuda:", 0) == 0 &&
                                  id.find_first_not_of("0123456789", 5) == std::string::npos;
            return id == "auto" || id == "cpu" || numbered ? "" : id + " is none of auto, cpu, cuda:N";
        })
        ->group("Machine");
    app.add_option("--threads", threads, "Threads to use; 0 takes every core")
        ->capture_default_str()
        ->check(CLI::Range(0, 1024))
        ->group("Machine");
}

void BackendOptions::add(CLI::App& app) {
    addDevice(app);
    app.add_option("--precision", precision,
                   "Factors of the forward pass's and the calibration's products: f32, or bf16 with float32 "
                   "sums, several times faster on processors that multiply bfloat16")
        ->capture_default_str()
        ->check(CLI::IsMember({precisionName(Precision::F32), precisionName(Precision::BF16)}))
        ->group("Machine");
}

Result<std::unique_ptr<Backend>> BackendOptions::make() const {
    QS_TRY(const Precision p, precisionFromName(precision));
    return makeBackend(device, threads, p);
}

} // namespace qs::cli
