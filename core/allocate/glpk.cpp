// SPDX-License-Identifier: Apache-2.0
#include "core/allocate/glpk.h"

#include <algorithm>
#include <dlfcn.h>
#include <fmt/format.h>
#include <optional>

#if defined(QS_HAVE_GLPK)
#include <glpk.h>
#endif

namespace qs {

namespace {
constexpr const char* kLibrary = "libglpk.so.40"; ///< 4.65 and 5.0
}

#if defined(QS_HAVE_GLPK)

namespace {

constexpr int kSliceMs = 80; ///< of the simplex method between two looks at the job
/// Nodes of the branching tree; what is not decided then stays as the gap. A limit of time would make results
/// depend on the machine.
constexpr int kMostNodes = 20000;

struct EntryPoints {
    decltype(&glp_version) version;
    decltype(&glp_term_out) termOut;
    decltype(&glp_free_env) freeEnv;
    decltype(&glp_create_prob) create;
    decltype(&glp_delete_prob) destroy;
    decltype(&glp_set_obj_dir) objective;
    decltype(&glp_add_rows) addRows;
    decltype(&glp_add_cols) addCols;
    decltype(&glp_set_row_bnds) rowBounds;
    decltype(&glp_set_obj_coef) objectiveOf;
    decltype(&glp_set_col_kind) kind;
    decltype(&glp_load_matrix) load;
    decltype(&glp_init_smcp) initSimplex;
    decltype(&glp_simplex) simplex;
    decltype(&glp_get_status) status;
    decltype(&glp_get_obj_val) value;
    decltype(&glp_init_iocp) initInteger;
    decltype(&glp_intopt) integer;
    decltype(&glp_mip_status) integerStatus;
    decltype(&glp_mip_obj_val) integerValue;
    decltype(&glp_mip_col_val) integerOf;
    decltype(&glp_ios_reason) reason;
    decltype(&glp_ios_heur_sol) offer;
    decltype(&glp_ios_best_node) bestNode;
    decltype(&glp_ios_node_bound) nodeBound;
    decltype(&glp_ios_tree_size) treeSize;
    decltype(&glp_ios_terminate) terminate;
};

Result<EntryPoints> entryPoints(void* handle, const std::string& library) {
    EntryPoints e{};
    std::string missing;
    const auto resolve = [&](const char* name, auto& function) {
        function = reinterpret_cast<std::remove_reference_t<decltype(function)>>(::dlsym(handle, name));
        if (!function && missing.empty()) missing = name;
    };
    resolve("glp_version", e.version);
    resolve("glp_term_out", e.termOut);
    resolve("glp_free_env", e.freeEnv);
    resolve("glp_create_prob", e.create);
    resolve("glp_delete_prob", e.destroy);
    resolve("glp_set_obj_dir", e.objective);
    resolve("glp_add_rows", e.addRows);
    resolve("glp_add_cols", e.addCols);
    resolve("glp_set_row_bnds", e.rowBounds);
    resolve("glp_set_obj_coef", e.objectiveOf);
    resolve("glp_set_col_kind", e.kind);
    resolve("glp_load_matrix", e.load);
    resolve("glp_init_smcp", e.initSimplex);
    resolve("glp_simplex", e.simplex);
    resolve("glp_get_status", e.status);
    resolve("glp_get_obj_val", e.value);
    resolve("glp_init_iocp", e.initInteger);
    resolve("glp_intopt", e.integer);
    resolve("glp_mip_status", e.integerStatus);
    resolve("glp_mip_obj_val", e.integerValue);
    resolve("glp_mip_col_val", e.integerOf);
    resolve("glp_ios_reason", e.reason);
    resolve("glp_ios_heur_sol", e.offer);
    resolve("glp_ios_best_node", e.bestNode);
    resolve("glp_ios_node_bound", e.nodeBound);
    resolve("glp_ios_tree_size", e.treeSize);
    resolve("glp_ios_terminate", e.terminate);
    if (!missing.empty())
        return Error{ErrorCode::Backend, fmt::format("the entry point {} is missing", missing), library};
    return e;
}

Error failed(const char* what, int code) {
    return {ErrorCode::Backend, fmt::format("GLPK cannot {} (code {})", what, code), kLibrary};
}

/// One program, from its relaxation to its integer optimum.
class Program {
public:
    Program(const EntryPoints& api, std::span<const AllocatorItem> items, uint64_t budget,
            const JobContext& job)
        : api_(api), items_(items), job_(job) {
        api_.termOut(GLP_OFF);
        problem_ = api_.create();
        fill(budget);
    }
    Program(const Program&) = delete;
    ~Program() {
        api_.destroy(problem_);
        api_.freeEnv(); // what GLPK keeps for this thread
    }

    /// The relaxation's optimum, scaled.
    Result<double> relax() {
        glp_smcp options;
        api_.initSimplex(&options);
        options.msg_lev = GLP_MSG_OFF;
        options.tm_lim = kSliceMs;
        for (;;) {
            QS_CHECK(job_.checkpoint());
            const int code = api_.simplex(problem_, &options);
            if (code == GLP_ETMLIM) continue; // goes on from the basis that it has reached
            if (code != 0 || api_.status(problem_) != GLP_OPT) return failed("solve the relaxation", code);
            return api_.value(problem_);
        }
    }

    Result<ChoiceSolution> branch(std::span<const size_t> start, double relaxed) {
        start_.assign(columns_ + 1, 0.0); // GLPK counts from 1
        for (size_t i = 0; i < items_.size(); ++i)
            start_[first_[i] + start[i]] = 1;
        bound_ = relaxed;
        glp_iocp options;
        api_.initInteger(&options);
        options.msg_lev = GLP_MSG_OFF;
        options.br_tech = GLP_BR_PCH;
        options.bt_tech = GLP_BT_BLB;
        options.mip_gap = 0;
        options.cov_cuts = GLP_ON;
        options.cb_func = [](glp_tree* tree, void* self) { static_cast<Program*>(self)->look(tree); };
        options.cb_info = this;
        const int code = api_.integer(problem_, &options);
        QS_CHECK(job_.checkpoint());
        const int status = api_.integerStatus(problem_);
        if ((code != 0 && code != GLP_ESTOP) || (status != GLP_OPT && status != GLP_FEAS))
            return failed("solve the integer program", code != 0 ? code : status);
        ChoiceSolution out;
        for (size_t i = 0; i < items_.size(); ++i) {
            size_t best = 0;
            for (size_t k = 0; k < items_[i].size(); ++k)
                if (api_.integerOf(problem_, int(first_[i] + k)) >
                    api_.integerOf(problem_, int(first_[i] + best)))
                    best = k;
            out.chosen.push_back(best);
        }
        const double reached = api_.integerValue(problem_);
        out.bound = scale_ * (status == GLP_OPT && code == 0 ? reached : std::min(reached, bound_));
        out.relaxed = scale_ * relaxed;
        return out;
    }

private:
    /// Costs in units of the dearest, bytes in units of what the budget leaves above the smallest options:
    /// GLPK's tolerances (1e-7) are meant for numbers near 1.
    void fill(uint64_t budget) {
        uint64_t room = budget;
        for (const AllocatorItem& item : items_) {
            first_.push_back(columns_ + 1);
            columns_ += item.size();
            room -= smallest(item);
            for (const AllocatorOption& o : item)
                scale_ = std::max(scale_, o.cost);
        }
        if (!(scale_ > 0)) scale_ = 1;
        api_.objective(problem_, GLP_MIN);
        api_.addRows(problem_, int(items_.size()) + 1);
        api_.addCols(problem_, int(columns_));
        const int budgetRow = int(items_.size()) + 1;
        std::vector<int> rows(1), columns(1);
        std::vector<double> values(1);
        const auto put = [&](int row, size_t column, double value) {
            rows.push_back(row);
            columns.push_back(int(column));
            values.push_back(value);
        };
        const double unit = room > 0 ? double(room) : 1;
        for (size_t i = 0; i < items_.size(); ++i) {
            api_.rowBounds(problem_, int(i) + 1, GLP_FX, 1, 1);
            for (size_t k = 0; k < items_[i].size(); ++k) {
                const AllocatorOption& o = items_[i][k];
                api_.kind(problem_, int(first_[i] + k), GLP_BV);
                api_.objectiveOf(problem_, int(first_[i] + k), o.cost / scale_);
                put(int(i) + 1, first_[i] + k, 1);
                if (const uint64_t more = o.bytes - smallest(items_[i]); more > 0)
                    put(budgetRow, first_[i] + k, double(more) / unit);
            }
        }
        api_.rowBounds(problem_, budgetRow, GLP_UP, 0, room > 0 ? 1 : 0);
        api_.load(problem_, int(values.size()) - 1, rows.data(), columns.data(), values.data());
    }

    static uint64_t smallest(const AllocatorItem& item) {
        return std::ranges::min_element(item, {}, &AllocatorOption::bytes)->bytes;
    }

    /// Called at every node.
    void look(glp_tree* tree) {
        if (job_.stopRequested()) return api_.terminate(tree);
        if (const int best = api_.bestNode(tree)) bound_ = std::max(bound_, api_.nodeBound(tree, best));
        if (api_.reason(tree) == GLP_IHEUR && !offered_) {
            offered_ = true;
            api_.offer(tree, start_.data());
        }
        int nodes = 0;
        api_.treeSize(tree, nullptr, nullptr, &nodes);
        if (nodes > kMostNodes) api_.terminate(tree);
    }

    const EntryPoints& api_;
    std::span<const AllocatorItem> items_;
    const JobContext& job_;
    glp_prob* problem_ = nullptr;
    std::vector<size_t> first_; ///< column of every item's first option
    size_t columns_ = 0;
    double scale_ = 0;
    std::vector<double> start_;
    double bound_ = 0;
    bool offered_ = false;
};

class Library final : public Glpk {
public:
    explicit Library(EntryPoints api) : api_(api) {}
    std::string version() const override { return api_.version(); }
    Result<ChoiceSolution> solve(std::span<const AllocatorItem> items, uint64_t budget,
                                 std::span<const size_t> start, const JobContext& job) const override {
        Program program(api_, items, budget, job);
        QS_TRY(const double relaxed, program.relax());
        return program.branch(start, relaxed);
    }

private:
    EntryPoints api_;
};

} // namespace

Result<std::unique_ptr<Glpk>> loadGlpk(const std::string& library) {
    void* handle = ::dlopen(library.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (!handle) {
        const char* text = ::dlerror();
        return Error{ErrorCode::Backend,
                     fmt::format("GLPK cannot be loaded: {}", text ? text : "unknown reason"), library};
    }
    QS_TRY(const EntryPoints api, entryPoints(handle, library));
    // Its structures grow from one major version to the next.
    const std::string version = api.version(), built = std::to_string(GLP_MAJOR_VERSION);
    if (version.substr(0, version.find('.')) != built)
        return Error{ErrorCode::Backend,
                     fmt::format("GLPK is version {}, this program was built for {}", version, built),
                     library};
    return std::unique_ptr<Glpk>(std::make_unique<Library>(api));
}

#else

Result<std::unique_ptr<Glpk>> loadGlpk(const std::string& library) {
    return Error::unsupported("this build was made without the headers of GLPK", library);
}

#endif

Result<const Glpk*> glpk() {
    static const Result<std::unique_ptr<Glpk>> loaded = loadGlpk(kLibrary);
    if (!loaded) return loaded.error();
    return loaded->get();
}

} // namespace qs
