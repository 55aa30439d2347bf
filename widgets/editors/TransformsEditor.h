// SPDX-License-Identifier: GPL-3.0-or-later
// TransformsEditor: what is done to a whole model before it is quantized: a list of transforms of the
// registry, in the order in which they are applied, each with the form that its parameters describe. GUI
// thread only.
#pragma once

#include "core/recipe/recipe.h"

#include <QWidget>
#include <vector>

class QToolButton;
class QVBoxLayout;

namespace qs::ui {

class ParamForm;

class TransformsEditor : public QWidget {
    Q_OBJECT
public:
    explicit TransformsEditor(QWidget* parent = nullptr);

    /// Shows them; emits nothing. Rows of transforms that stay keep their controls, and the keyboard.
    void setTransforms(const std::vector<TransformUse>& transforms);
    /// Why none can be added now, "" when they can. Those in the list can still be changed and removed.
    void setBlocker(const QString& why);

    /// Its menu has an action per transform, named by its id.
    QToolButton* addButton() const { return m_add; }
    /// The form of a transform in the list, null when it is not there or has no parameters.
    ParamForm* form(const QString& id) const;

signals:
    /// The user wants this list instead; `what` names the one change ("Add SmoothQuant").
    void edited(const std::vector<qs::TransformUse>& transforms, const QString& what);

private:
    struct Row {
        TransformUse use;
        QWidget* box = nullptr;
        ParamForm* form = nullptr;
        QToolButton *up = nullptr, *down = nullptr;
    };
    Row makeRow(const TransformUse& use);
    QToolButton* makeButton(QWidget* parent, const char* name, const QString& text);
    void makeMenu();
    void updateMenu();
    int indexOf(const QString& id) const;
    std::vector<TransformUse> uses() const;
    void add(const QString& id);
    void remove(const QString& id);
    void move(const QString& id, int by);
    void setParam(const QString& id, const QString& key, const ParamValue& value);

    std::vector<Row> m_rows;
    QVBoxLayout* m_list;
    QToolButton* m_add;
};

} // namespace qs::ui
