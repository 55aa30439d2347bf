// SPDX-License-Identifier: GPL-3.0-or-later
// A form made from ParamSpecs: a method or codec that is added to its registry needs no line here. GUI thread
// only.
#pragma once

#include "core/base/param_spec.h"

#include <QSet>
#include <QWidget>
#include <vector>

class QComboBox;
class QGridLayout;
class QLabel;
class QToolButton;

namespace qs::ui {

class ParamForm : public QWidget {
    Q_OBJECT
public:
    explicit ParamForm(QWidget* parent = nullptr);

    /// Rebuilds the form; values become the defaults.
    void setSpecs(const ParamSpecs& specs);
    const ParamSpecs& specs() const { return m_specs; }

    /// Shows values without emitting anything. Keys in `mixed` differ between the edited tensors: they show
    /// "mixed" until the user changes them. Values of unknown keys are ignored, missing ones become defaults.
    void setParams(const Params& params, const QSet<QString>& mixed = {});
    /// What the form shows; a mixed key has the value last set for it.
    const Params& params() const { return m_params; }
    bool isMixed(const QString& key) const { return m_mixed.contains(key); }

    /// The editor of a key (QCheckBox, IntEdit, FloatEdit, QComboBox), null when unknown.
    QWidget* editor(const QString& key) const;
    /// By visibleWhen and folding.
    bool rowShown(const QString& key) const;
    bool hasAdvanced() const;
    /// Width of the column of names, the folded ones included; forms above each other share the widest.
    int labelWidth() const;
    void setLabelWidth(int width);
    static constexpr int kResetWidth = 22; ///< of the last column
    bool advancedShown() const { return m_advancedShown; }
    void setAdvancedShown(bool shown);

public slots:
    void resetToDefaults();

signals:
    /// A key was changed by the user.
    void edited(const QString& key, const qs::ParamValue& value);
    /// The same with all values.
    void valueChanged(const qs::Params& params);

protected:
    /// The wheel scrolls the page unless a control has the focus.
    bool eventFilter(QObject* watched, QEvent* event) override;

private:
    struct Row {
        ParamSpec spec;
        QLabel* label = nullptr;
        QWidget* editor = nullptr;
        QToolButton* reset = nullptr;
    };
    const Row* find(const QString& key) const;
    void addRow(const ParamSpec& spec);
    QWidget* makeEditor(const ParamSpec& spec);
    void showRow(const Row& row);
    void onUser(const QString& key, const ParamValue& value);
    void updateVisibility();
    bool conditionHolds(const ParamSpec& spec) const;

    ParamSpecs m_specs;
    Params m_params;
    QSet<QString> m_mixed;
    std::vector<Row> m_rows;
    QGridLayout* m_grid;
    QToolButton* m_fold = nullptr;
    bool m_advancedShown = false;
};

/// The longest choice does not set the width of the form.
void setNarrow(QComboBox* box);
/// Tooltip of a parameter: help, range with unit, default.
QString paramHelp(const ParamSpec& spec);
/// A value as people read it: "on", "4", "0.01", "absmax".
QString paramText(const ParamValue& value);

} // namespace qs::ui
