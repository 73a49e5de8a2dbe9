from django.db import migrations, models

# As `Patient.display_name` has it: the first way of writing, and the Patient ID where there is no
# name. In small letters without accents; family and given names are parted by what sorts before
# every letter, so that all of a family come before longer names that begin like it, and the
# Patient ID keeps apart those who are called the same. Cut off far above what names need, because
# an index holds no more than some kilobytes.
FUNCTION = r"""
CREATE FUNCTION sorted_name(name text, patient_id text)
RETURNS text LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT concat(
        left(btrim(regexp_replace(
            lower(unaccent(coalesce(nullif(btrim(split_part(name, '=', 1), ' ^'), ''), patient_id))),
            '\s*\^[\s^]*', E'\x02', 'g'
        )), 300),
        E'\x01', left(lower(patient_id), 100)
    )
$$;
"""

TRIGGERS = """
CREATE FUNCTION study_sort_name() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.sort_name = (
        SELECT sorted_name(name, patient_id) FROM records_patient WHERE id = NEW.patient_id
    );
    -- The foreign key says that there is no such patient.
    NEW.sort_name = coalesce(NEW.sort_name, '');
    RETURN NEW;
END $$;

CREATE FUNCTION patient_sort_name() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE records_study SET sort_name = '' WHERE patient_id = NEW.id;
    RETURN NULL;
END $$;

CREATE TRIGGER study_sort_name
BEFORE INSERT OR UPDATE OF patient_id, sort_name ON records_study
FOR EACH ROW EXECUTE FUNCTION study_sort_name();

-- The trigger of the study fills in what is emptied here.
CREATE TRIGGER patient_sort_name
AFTER UPDATE OF name, patient_id ON records_patient
FOR EACH ROW WHEN (OLD.name <> NEW.name OR OLD.patient_id <> NEW.patient_id)
EXECUTE FUNCTION patient_sort_name();
"""

FILL = """
UPDATE records_study AS study SET sort_name = sorted_name(patient.name, patient.patient_id)
FROM records_patient AS patient WHERE patient.id = study.patient_id;
"""

BACK = """
DROP TRIGGER patient_sort_name ON records_patient;
DROP TRIGGER study_sort_name ON records_study;
DROP FUNCTION patient_sort_name, study_sort_name, sorted_name;
"""


class Migration(migrations.Migration):
    dependencies = [("records", "0003_words_of_a_study")]

    operations = [
        migrations.AddField(
            model_name="study",
            name="sort_name",
            field=models.TextField(db_collation="C", default="", editable=False),
        ),
        # Filled before the triggers are there: each of them would look the patient up again.
        migrations.RunSQL(FUNCTION + FILL + TRIGGERS, BACK),
        migrations.AddIndex(
            model_name="study",
            index=models.Index(
                fields=["reading_state", "sort_name", "created_at", "id"], name="study_name"
            ),
        ),
        migrations.AddIndex(
            model_name="study",
            index=models.Index(fields=["sort_name", "created_at", "id"], name="study_all_name"),
        ),
    ]
