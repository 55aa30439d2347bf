// SPDX-License-Identifier: GPL-3.0-or-later
// Rows without an application behind them: a decoder of n blocks with seven linears each.
#pragma once

#include "widgets/models/TargetTableSource.h"

#include <vector>

namespace qs::test {

class FakeSource : public ui::TargetTableSource {
public:
    using TargetTableSource::TargetTableSource;

    struct Edit {
        QVector<int> targets;
        ui::SchemeEdit edit;
    };
    const ui::SchemeInfo fourBits{
        std::make_shared<const Scheme>(), QStringLiteral("int4 g64 asym"), {}, 4, true, 64};
    const ui::SchemeInfo eightBits{
        std::make_shared<const Scheme>(), QStringLiteral("int8 g64 sym"), {}, 8, true, 64};
    std::vector<ui::TargetRow> rows;
    std::vector<Edit> edits;
    QString refusal;

    void fill(int blocks) {
        static const char* const modules[] = {"self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj",
                                              "self_attn.o_proj", "mlp.gate_proj",    "mlp.up_proj",
                                              "mlp.down_proj"};
        static const char* const roles[] = {"q", "k", "v", "o", "gate", "up", "down"};
        rows.clear();
        for (int b = 0; b < blocks; ++b)
            for (int m = 0; m < 7; ++m) {
                ui::TargetRow r;
                r.module = QStringLiteral("layers.%1.%2").arg(b).arg(QLatin1String(modules[m]));
                r.tensor = QStringLiteral("model.%1.weight").arg(r.module);
                r.name = r.module.section('.', -1);
                r.role = QLatin1String(roles[m]);
                r.block = b;
                r.rows = 64 * quint64(m + 1);
                r.cols = 64;
                r.sourceType = QStringLiteral("BF16");
                r.info = m % 2 ? &fourBits : &eightBits;
                r.bytesBefore = r.rows * r.cols * 2;
                r.bytesAfter = r.rows * r.cols * quint64(r.info->bits) / 8;
                r.state = ui::TargetState::Planned;
                rows.push_back(r);
            }
        emit reset();
    }

    int count() const override { return int(rows.size()); }
    const ui::TargetRow& row(int target) const override { return rows[size_t(target)]; }
    QString edit(const QVector<int>& targets, const ui::SchemeEdit& edit, int) override {
        if (!refusal.isEmpty()) return refusal;
        edits.push_back({targets, edit});
        return {};
    }
    bool editable(int, ui::EditField) const override { return true; }
    QVector<ui::EditChoice> choices(int, ui::EditField field) const override {
        if (field == ui::EditField::Method) return {{"GPTQ", "gptq"}, {"Round to nearest", "rtn"}};
        if (field == ui::EditField::Inputs) return {{"as they are", QString()}, {"int8", "int8"}};
        return {{"4", 4}, {"8", 8}};
    }
    ui::SchemeEdit editFor(ui::EditField field, const QVariant& value) const override {
        if (field == ui::EditField::Method) return ui::SchemeEdit::method(value.toString().toStdString());
        if (field == ui::EditField::Inputs) return ui::SchemeEdit::inputs(value.toString().toStdString());
        return ui::SchemeEdit::codecParam(field == ui::EditField::Bits ? "bits" : "group",
                                          value.toLongLong());
    }
};

} // namespace qs::test
