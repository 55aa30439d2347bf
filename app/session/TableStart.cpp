// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/session/TableStart.h"

#include "core/model/packed/packed_linear.h"
#include "widgets/models/SchemeEdit.h"

#include <map>

namespace qs::app {

using ui::SchemeEdit;
using ui::TargetRow;
using ui::TargetState;

namespace {

/// "layers.3.mlp.experts.17.up_proj" -> 17; -1 when it is no expert's.
int expertOf(const QString& module) {
    static const QString kExperts = QStringLiteral(".experts.");
    const qsizetype at = module.indexOf(kExperts);
    if (at < 0) return -1;
    bool number = false;
    const int expert = module.mid(at + kExperts.size()).section(QLatin1Char('.'), 0, 0).toInt(&number);
    return number && expert >= 0 ? expert : -1;
}

TargetRow identityRow(const Model& model, const QuantTarget& t) {
    TargetRow row;
    row.module = QString::fromStdString(t.module);
    row.tensor = QString::fromStdString(t.place.tensor);
    row.name = row.module.section(QLatin1Char('.'), -1);
    row.role = QString::fromStdString(t.role);
    row.site = QString::fromStdString(t.site);
    row.fusedGroup = QString::fromStdString(t.fusedGroup);
    row.block = t.block;
    row.expert = expertOf(row.module);
    row.rows = t.rows;
    row.cols = t.cols;
    if (t.packed) {
        row.sourceType = QString::fromStdString(t.packed->format);
        row.sourceBits = t.packed->bits;
    } else {
        const TensorInfo& tensor = model.checkpoint().tensors()[t.place.index];
        row.sourceType = QString::fromStdString(std::string(tensor.typeName()));
        row.sourceBits = int(tensor.bits()); // of a code; scales come on top in the exact column
    }
    return row;
}

Scheme defaultFor(const Model& model) {
    const bool canCalibrate = model.hasForward() && model.tokenizer();
    auto made = Scheme::make("int", canCalibrate ? "gptq" : "rtn");
    return made ? std::move(*made) : Scheme();
}

/// The default scheme, or the same with a group that divides the rows; null when there is none.
SchemeBook::SchemePtr fittingDefault(const Scheme& wanted, size_t rows, size_t cols, SchemeBook& book) {
    const auto fits = [&](const Scheme& s) {
        const auto codec = createCodec(s.codec, s.codecParams);
        return codec && (*codec)->layout(rows, cols);
    };
    if (fits(wanted)) return book.share(wanted);
    for (const long long group : {64, 32, -1}) {
        const auto s = ui::applyEdit(&wanted, SchemeEdit::codecParam("group", group), wanted);
        if (s && fits(**s)) return book.share(**s);
    }
    return nullptr;
}

std::vector<SchemeBook::SchemePtr> defaultSchemes(const Model& model, const Scheme& wanted,
                                                  SchemeBook& book) {
    std::map<std::pair<size_t, size_t>, SchemeBook::SchemePtr> byShape;
    std::vector<SchemeBook::SchemePtr> out;
    for (const QuantTarget& t : model.targets()) {
        if (t.packed) {
            out.push_back(nullptr);
            continue;
        }
        const auto [it, fresh] = byShape.try_emplace({t.rows, t.cols});
        if (fresh) it->second = fittingDefault(wanted, t.rows, t.cols, book);
        out.push_back(it->second);
    }
    return out;
}

} // namespace

void describePlan(TargetRow& r, const LivePlan& plan, size_t target, SchemeBook& book) {
    const SchemeBook::SchemePtr& scheme = plan.schemes()[target];
    if (r.info == &ui::kNoScheme || r.info->scheme != scheme)
        r.info = scheme ? &book.infoOf(scheme) : &book.keptAs(r.sourceType, r.sourceBits);
    r.bytesBefore = plan.bytesBefore(target);
    r.bytesAfter = plan.bytesAfter(target);
    const LintIssue* issue = plan.issueOf(target);
    if (issue)
        r.message = QString::fromStdString(issue->message);
    else if (!r.message.isEmpty())
        r.message.clear();
    r.state = issue && issue->severity == Severity::Error ? TargetState::Failed
              : r.hasScheme()                             ? TargetState::Planned
                                                          : TargetState::Kept;
}

std::unique_ptr<TableStart> TableStart::of(std::shared_ptr<const Model> model) {
    auto start = std::make_unique<TableStart>();
    start->model = model;
    start->defaultScheme = defaultFor(*model);
    start->plan = LivePlan(model, defaultSchemes(*model, start->defaultScheme, start->book));
    const auto& targets = model->targets();
    start->rows.reserve(targets.size());
    start->indexOf.reserve(qsizetype(targets.size()));
    QStringList names;
    QHash<QString, int> roles;
    for (size_t t = 0; t < targets.size(); ++t) {
        start->rows.push_back(identityRow(*model, targets[t]));
        TargetRow& row = start->rows.back();
        const QString& role = row.role.isEmpty() ? row.name : row.role;
        row.roleIndex = roles.value(role, int(roles.size()));
        roles.insert(role, row.roleIndex);
        describePlan(row, start->plan, t, start->book);
        start->indexOf.insert(row.module, int(t));
        names << row.module;
    }
    start->names = ui::TargetNames::of(names);
    return start;
}

} // namespace qs::app
