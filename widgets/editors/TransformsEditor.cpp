// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/editors/TransformsEditor.h"

#include "core/quant/transform/transform.h"
#include "widgets/editors/ParamForm.h"
#include "widgets/models/SchemeEdit.h"
#include "widgets/theme/Icons.h"
#include "widgets/theme/Theme.h"

#include <QHBoxLayout>
#include <QLabel>
#include <QMenu>
#include <QToolButton>
#include <algorithm>

namespace qs::ui {

namespace {

QString qstr(const std::string& s) {
    return QString::fromStdString(s);
}

/// Recipes hold registered transforms only.
const TransformDescriptor& descriptorOf(const QString& id) {
    return **findTransform(id.toStdString());
}

QString labelOf(const QString& id) {
    return qstr(descriptorOf(id).label);
}

QString helpOf(const TransformDescriptor& d) {
    return qstr(d.summary) + QLatin1Char('\n') + qstr(d.citation);
}

} // namespace

TransformsEditor::TransformsEditor(QWidget* parent)
    : QWidget(parent), m_list(new QVBoxLayout), m_add(new QToolButton(this)) {
    auto* layout = new QVBoxLayout(this);
    layout->setContentsMargins(0, 0, 0, 0);
    layout->setSpacing(6);
    m_list->setSpacing(6);
    layout->addLayout(m_list);
    m_add->setObjectName(QStringLiteral("addTransform"));
    m_add->setText(tr("Add a transform"));
    m_add->setIcon(icon(QStringLiteral("plus")));
    m_add->setToolButtonStyle(Qt::ToolButtonTextBesideIcon);
    m_add->setPopupMode(QToolButton::InstantPopup);
    m_add->setFocusPolicy(Qt::StrongFocus);
    layout->addWidget(m_add, 0, Qt::AlignLeft);
    makeMenu();
    setBlocker({});
}

void TransformsEditor::makeMenu() {
    auto* menu = new QMenu(m_add);
    menu->setToolTipsVisible(true);
    for (const TransformDescriptor* d : qs::transforms()) {
        QAction* action = menu->addAction(qstr(d->label));
        action->setObjectName(qstr(d->id));
        connect(action, &QAction::triggered, this, [this, id = qstr(d->id)] { add(id); });
    }
    m_add->setMenu(menu);
    updateMenu();
}

void TransformsEditor::updateMenu() {
    for (QAction* action : m_add->menu()->actions()) {
        const bool listed = indexOf(action->objectName()) >= 0;
        action->setEnabled(!listed);
        action->setToolTip(listed ? tr("It is in the list already.")
                                  : helpOf(descriptorOf(action->objectName())));
    }
}

void TransformsEditor::setBlocker(const QString& why) {
    m_add->setEnabled(why.isEmpty());
    m_add->setToolTip(why.isEmpty()
                          ? tr("Scales channels of the whole model so that it is easier to quantize; what it "
                               "computes stays the same.")
                          : why);
}

QToolButton* TransformsEditor::makeButton(QWidget* parent, const char* name, const QString& text) {
    auto* button = new QToolButton(parent);
    button->setObjectName(QString::fromLatin1(name));
    button->setAutoRaise(true);
    button->setAccessibleName(text);
    button->setToolTip(text);
    button->setFixedSize(ParamForm::kResetWidth, 20);
    button->setFocusPolicy(Qt::StrongFocus);
    return button;
}

TransformsEditor::Row TransformsEditor::makeRow(const TransformUse& use) {
    const QString id = qstr(use.id), label = labelOf(id);
    const TransformDescriptor& d = descriptorOf(id);
    Row row;
    row.box = new QWidget(this);
    row.box->setObjectName(QStringLiteral("transform-") + id);
    auto* name = new QLabel(label, row.box);
    name->setFont(boldFont());
    name->setToolTip(helpOf(d));
    row.up = makeButton(row.box, "up", tr("Apply %1 earlier").arg(label));
    row.up->setArrowType(Qt::UpArrow);
    row.down = makeButton(row.box, "down", tr("Apply %1 later").arg(label));
    row.down->setArrowType(Qt::DownArrow);
    auto* remove = makeButton(row.box, "remove", tr("Remove %1").arg(label));
    remove->setIcon(icon(QStringLiteral("close"), IconRole::Muted));
    auto* head = new QHBoxLayout;
    head->setSpacing(2);
    head->addWidget(name, 1);
    for (QToolButton* button : {row.up, row.down, remove})
        head->addWidget(button);
    auto* layout = new QVBoxLayout(row.box);
    layout->setContentsMargins(0, 0, 0, 0);
    layout->setSpacing(2);
    layout->addLayout(head);
    if (!d.params.empty()) {
        row.form = new ParamForm(row.box);
        row.form->setSpecs(d.params);
        layout->addWidget(row.form);
        connect(row.form, &ParamForm::edited, this,
                [this, id](const QString& key, const ParamValue& value) { setParam(id, key, value); });
    }
    connect(row.up, &QToolButton::clicked, this, [this, id] { move(id, -1); });
    connect(row.down, &QToolButton::clicked, this, [this, id] { move(id, 1); });
    connect(remove, &QToolButton::clicked, this, [this, id] { this->remove(id); });
    return row;
}

void TransformsEditor::setTransforms(const std::vector<TransformUse>& transforms) {
    std::vector<Row> rows;
    for (const TransformUse& use : transforms) {
        const int known = indexOf(qstr(use.id));
        rows.push_back(known >= 0 ? m_rows[size_t(known)] : makeRow(use));
        if (known >= 0) m_rows.erase(m_rows.begin() + known);
        rows.back().use = use;
    }
    for (const Row& gone : m_rows) {
        m_list->removeWidget(gone.box);
        gone.box->hide();
        gone.box->deleteLater(); // it may hold the sender of the change
    }
    m_rows = std::move(rows);
    for (size_t i = 0; i < m_rows.size(); ++i) {
        const Row& row = m_rows[i];
        if (m_list->indexOf(row.box) != int(i)) m_list->insertWidget(int(i), row.box);
        if (row.form) row.form->setParams(row.use.params);
        row.up->setVisible(m_rows.size() > 1);
        row.down->setVisible(m_rows.size() > 1);
        row.up->setEnabled(i > 0);
        row.down->setEnabled(i + 1 < m_rows.size());
    }
    updateMenu();
}

ParamForm* TransformsEditor::form(const QString& id) const {
    const int at = indexOf(id);
    return at < 0 ? nullptr : m_rows[size_t(at)].form;
}

int TransformsEditor::indexOf(const QString& id) const {
    const auto at =
        std::find_if(m_rows.begin(), m_rows.end(), [&](const Row& row) { return qstr(row.use.id) == id; });
    return at == m_rows.end() ? -1 : int(at - m_rows.begin());
}

std::vector<TransformUse> TransformsEditor::uses() const {
    std::vector<TransformUse> out;
    for (const Row& row : m_rows)
        out.push_back(row.use);
    return out;
}

void TransformsEditor::add(const QString& id) {
    auto use = TransformUse::make(id.toStdString());
    if (!use || indexOf(id) >= 0) return;
    std::vector<TransformUse> list = uses();
    list.push_back(std::move(*use));
    emit edited(list, tr("Add %1").arg(labelOf(id)));
}

void TransformsEditor::remove(const QString& id) {
    std::vector<TransformUse> list = uses();
    std::erase_if(list, [&](const TransformUse& use) { return qstr(use.id) == id; });
    emit edited(list, tr("Remove %1").arg(labelOf(id)));
}

void TransformsEditor::move(const QString& id, int by) {
    std::vector<TransformUse> list = uses();
    const int from = indexOf(id), to = from + by;
    if (from < 0 || to < 0 || to >= int(list.size())) return;
    std::swap(list[size_t(from)], list[size_t(to)]);
    emit edited(list,
                by < 0 ? tr("Apply %1 earlier").arg(labelOf(id)) : tr("Apply %1 later").arg(labelOf(id)));
}

void TransformsEditor::setParam(const QString& id, const QString& key, const ParamValue& value) {
    const int at = indexOf(id);
    if (at < 0) return;
    const TransformDescriptor& d = descriptorOf(id);
    std::vector<TransformUse> list = uses();
    auto params = withParam(d.params, list[size_t(at)].params, key.toStdString(), value);
    const auto spec = std::find_if(d.params.begin(), d.params.end(),
                                   [&](const ParamSpec& s) { return qstr(s.key) == key; });
    if (!params || spec == d.params.end()) return;
    list[size_t(at)].params = std::move(*params);
    m_rows[size_t(at)].use = list[size_t(at)]; // the next change may come before the list is shown again
    emit edited(list, tr("Set %1 of %2 to %3").arg(qstr(spec->label), labelOf(id), paramText(value)));
}

} // namespace qs::ui
