// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/editors/ParamForm.h"

#include "widgets/editors/ParamEditors.h"
#include "widgets/models/SchemeEdit.h"
#include "widgets/theme/Icons.h"

#include <QCheckBox>
#include <QComboBox>
#include <QEvent>
#include <QGridLayout>
#include <QLabel>
#include <QSignalBlocker>
#include <QToolButton>
#include <algorithm>

namespace qs::ui {

namespace {

QString qstr(const std::string& s) {
    return QString::fromStdString(s);
}

/// "absmax" -> "absmax", "min_max" -> "min max": ids are stored, words are shown.
QString choiceLabel(const std::string& id) {
    return qstr(id).replace(QLatin1Char('_'), QLatin1Char(' '));
}

} // namespace

void setNarrow(QComboBox* box) {
    constexpr int kLeastLetters = 8;
    box->setSizeAdjustPolicy(QComboBox::AdjustToMinimumContentsLengthWithIcon);
    box->setMinimumContentsLength(kLeastLetters);
}

QString paramText(const ParamValue& value) {
    if (const bool* b = std::get_if<bool>(&value)) return *b ? ParamForm::tr("on") : ParamForm::tr("off");
    if (const auto* i = std::get_if<long long>(&value)) return QString::number(*i);
    if (const double* d = std::get_if<double>(&value)) return QLocale().toString(*d, 'g', 12);
    return choiceLabel(std::get<std::string>(value));
}

QString paramHelp(const ParamSpec& spec) {
    const QString unit = spec.unit.empty() ? QString() : QLatin1Char(' ') + qstr(spec.unit);
    QString range;
    if (spec.type == ParamType::Int)
        range = ParamForm::tr("%1 to %2%3. ").arg(qint64(spec.minimum)).arg(qint64(spec.maximum)).arg(unit);
    if (spec.type == ParamType::Float)
        range = ParamForm::tr("%1 to %2%3. ").arg(paramText(spec.minimum), paramText(spec.maximum), unit);
    return qstr(spec.help) + QLatin1Char('\n') + range +
           ParamForm::tr("Default: %1.").arg(paramText(spec.defaultValue));
}

ParamForm::ParamForm(QWidget* parent) : QWidget(parent), m_grid(new QGridLayout(this)) {
    m_grid->setContentsMargins(0, 0, 0, 0);
    m_grid->setHorizontalSpacing(8);
    m_grid->setVerticalSpacing(4);
    m_grid->setColumnStretch(1, 1);
    m_grid->setColumnMinimumWidth(2, kResetWidth); // must not jump when a value leaves its default
}

int ParamForm::labelWidth() const {
    int width = 0;
    for (const Row& r : m_rows)
        width = std::max(width, r.label->sizeHint().width());
    return width;
}

void ParamForm::setLabelWidth(int width) {
    m_grid->setColumnMinimumWidth(0, width);
}

bool ParamForm::hasAdvanced() const {
    return std::any_of(m_specs.begin(), m_specs.end(), [](const ParamSpec& s) { return s.advanced; });
}

void ParamForm::setSpecs(const ParamSpecs& specs) {
    for (const Row& r : m_rows)
        for (QWidget* w : {static_cast<QWidget*>(r.label), r.editor, static_cast<QWidget*>(r.reset)}) {
            m_grid->removeWidget(w);
            w->hide();
            w->deleteLater(); // it may be the sender of the change that replaces the form
        }
    m_rows.clear();
    if (m_fold) {
        m_grid->removeWidget(m_fold);
        m_fold->deleteLater();
        m_fold = nullptr;
    }
    m_specs = specs;
    m_params = Params::defaults(specs);
    m_mixed.clear();
    for (const ParamSpec& s : specs)
        if (!s.advanced) addRow(s);
    if (hasAdvanced()) {
        m_fold = new QToolButton(this);
        m_fold->setText(tr("Advanced"));
        m_fold->setToolButtonStyle(Qt::ToolButtonTextBesideIcon);
        m_fold->setAutoRaise(true);
        m_fold->setCheckable(true);
        connect(m_fold, &QToolButton::toggled, this, &ParamForm::setAdvancedShown);
        m_grid->addWidget(m_fold, int(m_rows.size()), 0, 1, 3, Qt::AlignLeft);
        for (const ParamSpec& s : specs)
            if (s.advanced) addRow(s);
    }
    for (const Row& r : m_rows)
        showRow(r);
    setAdvancedShown(m_advancedShown);
}

void ParamForm::addRow(const ParamSpec& spec) {
    Row row;
    row.spec = spec;
    const QString help = paramHelp(spec);
    row.label = new QLabel(qstr(spec.label), this);
    row.label->setToolTip(help);
    row.editor = makeEditor(spec);
    row.editor->setObjectName(qstr(spec.key));
    row.editor->setToolTip(help);
    row.editor->setAccessibleName(qstr(spec.label));
    row.editor->setAccessibleDescription(help);
    row.editor->setFocusPolicy(Qt::StrongFocus);
    row.editor->installEventFilter(this);
    row.label->setBuddy(row.editor);
    row.reset = new QToolButton(this);
    row.reset->setIcon(icon(QStringLiteral("undo"), IconRole::Muted));
    row.reset->setAutoRaise(true);
    row.reset->setToolTip(tr("Back to %1").arg(paramText(spec.defaultValue)));
    row.reset->setAccessibleName(tr("Reset %1").arg(qstr(spec.label)));
    row.reset->setFixedSize(kResetWidth, 20);
    connect(row.reset, &QToolButton::clicked, this, [this, key = qstr(spec.key), def = spec.defaultValue] {
        onUser(key, def);
        showRow(*find(key));
    });
    const int at = int(m_rows.size()) + (m_fold ? 1 : 0);
    m_grid->addWidget(row.label, at, 0);
    m_grid->addWidget(row.editor, at, 1);
    m_grid->addWidget(row.reset, at, 2);
    m_rows.push_back(row);
}

QWidget* ParamForm::makeEditor(const ParamSpec& spec) {
    const QString key = qstr(spec.key);
    switch (spec.type) {
    case ParamType::Bool: {
        auto* box = new QCheckBox(this);
        connect(box, &QCheckBox::clicked, this, [this, box, key] {
            box->setTristate(false);
            onUser(key, box->isChecked());
        });
        return box;
    }
    case ParamType::Int: {
        auto* edit = new IntEdit(spec, this);
        connect(edit, &IntEdit::userChanged, this, [this, key](long long v) { onUser(key, v); });
        return edit;
    }
    case ParamType::Float: {
        auto* edit = new FloatEdit(spec, this);
        connect(edit, &FloatEdit::userChanged, this, [this, key](double v) { onUser(key, v); });
        return edit;
    }
    case ParamType::Choice: {
        auto* box = new QComboBox(this);
        for (const std::string& c : spec.choices)
            box->addItem(choiceLabel(c), qstr(c));
        setNarrow(box);
        box->setPlaceholderText(tr("mixed"));
        connect(box, &QComboBox::activated, this,
                [this, box, key](int i) { onUser(key, box->itemData(i).toString().toStdString()); });
        return box;
    }
    }
    return nullptr;
}

void ParamForm::showRow(const Row& row) {
    const QString key = qstr(row.spec.key);
    const bool mixed = m_mixed.contains(key);
    const ParamValue& value = m_params.values().at(row.spec.key);
    if (auto* box = qobject_cast<QCheckBox*>(row.editor)) {
        const QSignalBlocker quiet(box);
        box->setTristate(mixed);
        box->setCheckState(mixed                   ? Qt::PartiallyChecked
                           : std::get<bool>(value) ? Qt::Checked
                                                   : Qt::Unchecked);
    } else if (auto* integer = qobject_cast<IntEdit*>(row.editor)) {
        mixed ? integer->showMixed() : integer->showValue(std::get<long long>(value));
    } else if (auto* real = qobject_cast<FloatEdit*>(row.editor)) {
        mixed ? real->showMixed() : real->showValue(std::get<double>(value));
    } else if (auto* combo = qobject_cast<QComboBox*>(row.editor)) {
        const QSignalBlocker quiet(combo);
        combo->setCurrentIndex(mixed ? -1 : combo->findData(qstr(std::get<std::string>(value))));
    }
    row.reset->setVisible(rowShown(key) && (mixed || value != row.spec.defaultValue));
}

void ParamForm::setParams(const Params& params, const QSet<QString>& mixed) {
    m_params = carriedOver(m_specs, params);
    m_mixed = mixed;
    updateVisibility();
}

void ParamForm::resetToDefaults() {
    for (const ParamSpec& s : m_specs) {
        const QString key = qstr(s.key);
        if (m_mixed.contains(key) || m_params.values().at(s.key) != s.defaultValue)
            onUser(key, s.defaultValue);
    }
    updateVisibility();
}

const ParamForm::Row* ParamForm::find(const QString& key) const {
    for (const Row& r : m_rows)
        if (qstr(r.spec.key) == key) return &r;
    return nullptr;
}

QWidget* ParamForm::editor(const QString& key) const {
    const Row* row = find(key);
    return row ? row->editor : nullptr;
}

void ParamForm::onUser(const QString& key, const ParamValue& value) {
    auto next = withParam(m_specs, m_params, key.toStdString(), value);
    if (!next) return; // out of range: the controls cannot produce it
    m_params = std::move(*next);
    m_mixed.remove(key);
    updateVisibility();
    emit edited(key, value);
    emit valueChanged(m_params);
}

bool ParamForm::conditionHolds(const ParamSpec& spec) const {
    const size_t split = spec.visibleWhen.find('=');
    if (split == std::string::npos) return true;
    const std::string key = spec.visibleWhen.substr(0, split), wanted = spec.visibleWhen.substr(split + 1);
    const auto other =
        std::find_if(m_specs.begin(), m_specs.end(), [&](const ParamSpec& s) { return s.key == key; });
    if (other == m_specs.end() || m_mixed.contains(qstr(key))) return true;
    const auto parsed = parseParamText(*other, wanted, "visible_when");
    return !parsed || *parsed == m_params.values().at(key);
}

bool ParamForm::rowShown(const QString& key) const {
    const Row* row = find(key);
    return row && conditionHolds(row->spec) && (m_advancedShown || !row->spec.advanced);
}

void ParamForm::updateVisibility() {
    for (const Row& r : m_rows) {
        const bool shown = rowShown(qstr(r.spec.key));
        r.label->setVisible(shown);
        r.editor->setVisible(shown);
        showRow(r);
    }
}

void ParamForm::setAdvancedShown(bool shown) {
    m_advancedShown = shown;
    if (m_fold) {
        const QSignalBlocker quiet(m_fold);
        m_fold->setChecked(shown);
        m_fold->setArrowType(shown ? Qt::DownArrow : Qt::RightArrow);
    }
    updateVisibility();
}

bool ParamForm::eventFilter(QObject* watched, QEvent* event) {
    if (event->type() == QEvent::Wheel) {
        auto* widget = qobject_cast<QWidget*>(watched);
        if (widget && !widget->hasFocus()) {
            event->ignore();
            return true;
        }
    }
    return QWidget::eventFilter(watched, event);
}

} // namespace qs::ui
