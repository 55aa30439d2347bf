// SPDX-License-Identifier: GPL-3.0-or-later
// A form made from ParamSpecs: a method or codec that is added to its registry needs no line here. GUI thread
// only.
#pragma once

#include "core/base/param_spec.h"

#include <QSet>
#include <QWidget>
#include <vector>

class QLabel;
class QToolButton;
class QVBoxLayout;
class QGridLayout;

namespace qs::ui {

class ParamForm : public QWidget {
    Q_OBJECT
public:
    explicit ParamForm(QWidget* parent = nullptr);
    ~ParamForm() override;

    /// Rebuilds the form; values become the defaults.
    void setSpecs(const ParamSpecs& specs);
    const ParamSpecs& specs() const { return m_specs; }

    /// Shows values without emitting anything. Keys in `mixed` differ between the edited tensors: they show
    /// "mixed" until the user changes them. Values of unknown keys are ignored, missing ones become defaults.
    void setParams(const Params& params, const QSet<QString>& mixed = {});
    /// What the form shows; a mixed key has the value last set for it.
    Params params() const { return m_params; }
    bool isMixed(const QString& key) const { return m_mixed.contains(key); }

    /// The editor of a key (QCheckBox, QSpinBox, QDoubleSpinBox, QComboBox), null when unknown.
    QWidget* editor(const QString& key) const;
    bool rowShown(const QString& key) const; ///< by visibleWhen; folded advanced rows count as shown
    void setAdvancedShown(bool shown);
    bool advancedShown() const { return m_advancedShown; }
    bool hasAdvanced() const;

public slots:
    void resetToDefaults();

signals:
    /// A key was changed by the user.
    void edited(const QString& key, const qs::ParamValue& value);
    /// The same with all values.
    void valueChanged(const qs::Params& params);

protected:
    bool eventFilter(QObject* watched, QEvent* event) override;
    void changeEvent(QEvent* event) override;

private:
    struct Row {
        ParamSpec spec;
        QLabel* label = nullptr;
        QWidget* editor = nullptr;
        QToolButton* reset = nullptr;
    };
    Row* find(const QString& key);
    const Row* find(const QString& key) const;
    void addRow(const ParamSpec& spec, QGridLayout* grid, int at);
    QWidget* makeEditor(const ParamSpec& spec);
    void show(Row& row);
    void onUser(const QString& key, const ParamValue& value);
    void store(const QString& key, const ParamValue& value);
    void updateVisibility();

    ParamSpecs m_specs;
    Params m_params;
    QSet<QString> m_mixed;
    std::vector<Row> m_rows;
    QWidget* m_body = nullptr;
    QToolButton* m_fold = nullptr;
    bool m_advancedShown = false;
    bool m_showing = false; ///< values are being set by program
};

/// Tooltip text of a parameter: help, range with unit, default.
QString paramHelp(const ParamSpec& spec);
/// A value as people read it.
QString paramText(const ParamSpec& spec, const ParamValue& value);

} // namespace qs::ui
